package org.spindle.example

import android.app.Activity
import android.content.Intent
import android.graphics.ImageDecoder
import android.os.Bundle
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import kotlin.concurrent.thread

/** A button that asks for a picture, the picture, and what the network says of it. */
class MainActivity : Activity() {
    private val network by lazy { Network() }
    private lateinit var image: ImageView
    private lateinit var answer: TextView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        image = ImageView(this).apply { adjustViewBounds = true }
        answer = TextView(this).apply { textSize = 20f }
        val button = Button(this).apply { text = "Choose a picture" }
        button.setOnClickListener {
            startActivityForResult(Intent(Intent.ACTION_GET_CONTENT).setType("image/*"), CHOOSE)
        }
        setContentView(LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            setPadding(48, 96, 48, 48)
            listOf(button, image, answer).forEach(::addView)
        })
    }

    override fun onActivityResult(asked: Int, result: Int, data: Intent?) {
        super.onActivityResult(asked, result, data)
        val chosen = data?.data?.takeIf { asked == CHOOSE && result == RESULT_OK } ?: return
        thread {
            val picture = ImageDecoder.decodeBitmap(ImageDecoder.createSource(contentResolver, chosen)) { decoder, _, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE // its pixels are to be read
            }
            val began = System.nanoTime()
            val seen = network.see(picture).take(5)
            val took = (System.nanoTime() - began) / 1_000_000
            runOnUiThread {
                image.setImageBitmap(picture)
                answer.text = seen.joinToString("\n") { "%.2f  %s".format(it.score, it.label) } + "\n\n$took ms"
            }
        }
    }

    private companion object {
        const val CHOOSE = 1
    }
}
