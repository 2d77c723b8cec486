/* Watches a video, and says when it shows something else: watch weights.bin WIDTH HEIGHT
 *
 * The frames come from the standard input as bytes of RGB, one after the other, without headers.
 * A single frame may deceive, so the chances of the last frames are averaged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "model.h"

#ifndef TASK_classify
#error "watch.c is for networks that classify"
#endif

static const float kept = 0.8f; /* of what was believed before, with each frame */

static void *aligned(size_t size) /* kept until the end */
{
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static int fail(const char *reason)
{
    fprintf(stderr, "watch: %s\n", reason);
    return 1;
}

int main(int count, char **words)
{
    const int width = count == 4 ? atoi(words[2]) : 0, height = count == 4 ? atoi(words[3]) : 0;
    if (width < 1 || height < 1 || !model_arena(width, height))
        return fail("say weights.bin, and the width and the height of a frame");
    const size_t size = (size_t)width * (size_t)height * 3;
    void *weights = aligned(WEIGHTS_BYTES), *arena = aligned(model_arena(width, height));
    float *chances = aligned(output_bytes[0]);
    uint8_t *frame = malloc(size);
    if (!weights || !arena || !chances || !frame)
        return fail("there is not memory enough");
    FILE *file = fopen(words[1], "rb");
    if (!file || fread(weights, 1, WEIGHTS_BYTES, file) != WEIGHTS_BYTES)
        return fail("these are not the weights of this network");
    fclose(file);

    void *outputs[] = {chances};
    float believed[CLASSES] = {0};
    int said = -1;
    for (long number = 0; fread(frame, 1, size, stdin) == size; number++) {
        const int code = model_run(weights, arena, frame, width, height, outputs);
        if (code != model_ok)
            return fail("the network cannot look at frames of this size");
        int top = 0;
        for (int c = 0; c < CLASSES; c++) {
            believed[c] = number ? kept * believed[c] + (1 - kept) * chances[c] : chances[c];
            top = believed[c] > believed[top] ? c : top;
        }
        if (top != said) {
            printf("%ld %s %.2f\n", number, labels[top], (double)believed[top]);
            fflush(stdout);
        }
        said = top;
    }
    return 0;
}
