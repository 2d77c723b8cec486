package org.spindle.example

import android.graphics.Bitmap
import org.json.JSONObject

/** The compiled network; any number of threads may ask it at once. */
class Network {
    data class Seen(val label: String, val score: Float)

    private val labels: List<String>

    init {
        System.loadLibrary("network")
        val about = JSONObject(info())
        check(about.getString("task") == "classify") { "this example is for networks that classify" }
        val names = about.getJSONArray("labels")
        labels = List(about.getInt("classes")) { if (it < names.length()) names.getString(it) else "class $it" }
    }

    /** Classes, the likeliest first; the picture may be of any size. */
    fun see(picture: Bitmap): List<Seen> {
        val pixels = IntArray(picture.width * picture.height)
        picture.getPixels(pixels, 0, picture.width, 0, 0, picture.width, picture.height)
        val chances = requireNotNull(run(pixels, picture.width, picture.height)) { "no picture for this network" }
        return labels.indices.map { Seen(labels[it], chances[it]) }.sortedByDescending { it.score }
    }

    private external fun info(): String

    private external fun run(pixels: IntArray, width: Int, height: Int): FloatArray?
}
