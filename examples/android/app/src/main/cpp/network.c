/* What Kotlin asks of the network: Network.kt says it, this does it. */
#include <jni.h>
#include <stdlib.h>

#include "answer.h"
#include "model.h"

extern const unsigned char network_weights[];

static size_t rounded(size_t size) { return (size + 63) / 64 * 64; }

JNIEXPORT jstring JNICALL Java_org_spindle_example_Network_info(JNIEnv *env, jobject self)
{
    (void)self;
    return (*env)->NewStringUTF(env, model_info());
}

/* The first output for a picture, whose pixels are as Bitmap.getPixels gives them: ARGB, a word
 * each.  Null where the network cannot look at it. */
JNIEXPORT jfloatArray JNICALL Java_org_spindle_example_Network_run(JNIEnv *env, jobject self,
                                                                   jintArray pixels, jint width,
                                                                   jint height)
{
    (void)self;
    const size_t arena = model_arena(width, height);
    if (!arena || (*env)->GetArrayLength(env, pixels) != width * height)
        return NULL;
    size_t answers = 0;
    for (int i = 0; i < OUTPUTS; i++)
        answers += rounded(output_bytes[i]);
    const size_t count = (size_t)width * (size_t)height;
    char *const memory = aligned_alloc(64, rounded(arena) + answers + rounded(3 * count));
    jint *const words = memory ? (*env)->GetIntArrayElements(env, pixels, NULL) : NULL;
    if (!words) {
        free(memory);
        return NULL;
    }
    void *outputs[OUTPUTS];
    char *at = memory + rounded(arena);
    for (int i = 0; i < OUTPUTS; at += rounded(output_bytes[i++]))
        outputs[i] = at;
    uint8_t *const rgb = (uint8_t *)at;
    for (size_t i = 0; i < count; i++)
        for (size_t band = 0; band < 3; band++)
            rgb[3 * i + band] = (uint8_t)((uint32_t)words[i] >> (16 - 8 * band));
    (*env)->ReleaseIntArrayElements(env, pixels, words, JNI_ABORT);

    jfloatArray answer = NULL;
    if (model_run(network_weights, memory, rgb, width, height, outputs) == model_ok) {
        const jsize length = (jsize)(output_bytes[0] / sizeof(float));
        answer = (*env)->NewFloatArray(env, length);
        if (answer)
            (*env)->SetFloatArrayRegion(env, answer, 0, length, outputs[0]);
    }
    free(memory);
    return answer;
}
