/* Shows a picture to the network, and says what it saw: main weights.bin picture.ppm
 *
 * The picture is a binary PPM (P6, 8 bits), of any size; any program writes one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "model.h"

enum { best = 5, most_pixels = 1 << 28 };

static void *aligned(size_t size) /* kept until the end */
{
    char *memory = calloc(size + 64, 1);
    return memory ? memory + (64 - (uintptr_t)memory % 64) : NULL;
}

static int fail(const char *file, const char *reason)
{
    fprintf(stderr, "%s: %s\n", file, reason);
    return 1;
}

static void *read_weights(const char *name)
{
    FILE *file = fopen(name, "rb");
    void *weights = aligned(WEIGHTS_BYTES);
    const size_t got = file && weights ? fread(weights, 1, WEIGHTS_BYTES, file) : 0;
    const int whole = got == WEIGHTS_BYTES && getc(file) == EOF;
    if (file)
        fclose(file);
    return whole ? weights : NULL;
}

static int read_number(FILE *file) /* the next in the header of a PPM; -1 where there is none */
{
    int c = getc(file);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = getc(file);
        c = getc(file);
    }
    int number = c >= '0' && c <= '9' ? 0 : -1;
    for (; c >= '0' && c <= '9' && number < most_pixels / 10; c = getc(file))
        number = number * 10 + (c - '0');
    return number; /* one white byte behind it is read as well */
}

static uint8_t *read_picture(const char *name, int *width, int *height)
{
    FILE *file = fopen(name, "rb");
    uint8_t *rgb = NULL;
    if (file && getc(file) == 'P' && getc(file) == '6') {
        *width = read_number(file);
        *height = read_number(file);
        if (read_number(file) == 255 && *width > 0 && *height > 0 &&
            *width <= most_pixels / *height) {
            const size_t size = (size_t)*width * (size_t)*height * 3;
            rgb = malloc(size);
            if (rgb && fread(rgb, 1, size, file) != size) {
                free(rgb);
                rgb = NULL;
            }
        }
    }
    if (file)
        fclose(file);
    return rgb;
}

#if defined(TASK_classify)
static void say(void *const *outputs)
{
    const float *score = outputs[0];
    char said[CLASSES] = {0};
    for (int rank = 0; rank < best && rank < CLASSES; rank++) {
        int top = -1;
        for (int c = 0; c < CLASSES; c++)
            if (!said[c] && (top < 0 || score[c] > score[top]))
                top = c;
        said[top] = 1;
        printf("%6.4f  %s\n", (double)score[top], labels[top]);
    }
}
#elif defined(TASK_detect)
static void say(void *const *outputs) /* places are shares of the part that the network sees */
{
    const float *box = outputs[0];
    for (int i = 0; i < ROWS; i++, box += 6)
        if (box[4] >= 0.3f && box[5] >= 0)
            printf("%6.4f  %s  left %.3f top %.3f right %.3f bottom %.3f\n", (double)box[4],
                   labels[(int)box[5]], (double)box[0], (double)box[1], (double)box[2],
                   (double)box[3]);
}
#elif defined(TASK_segment)
static void say(void *const *outputs)
{
    const int32_t *kind = outputs[0];
    int count[CLASSES] = {0};
    for (int i = 0; i < ROWS * COLUMNS; i++)
        count[kind[i]]++;
    for (int c = 0; c < CLASSES; c++)
        if (count[c])
            printf("%5.1f %%  %s\n", 100.0 * count[c] / (ROWS * COLUMNS), labels[c]);
}
#elif defined(TASK_pose)
static void say(void *const *outputs) /* places are shares of the part that the network sees */
{
    const float *point = outputs[0];
    for (int i = 0; i < ROWS; i++, point += 3)
        printf("%6.4f  %s  x %.3f y %.3f\n", (double)point[2], labels[i], (double)point[0],
               (double)point[1]);
}
#else
static void say(void *const *outputs)
{
    const float *vector = outputs[0];
    for (int i = 0; i < CHANNELS; i++)
        printf("%s%.6g", i ? " " : "", (double)vector[i]);
    printf("\n");
}
#endif

int main(int count, char **words)
{
    if (count != 3)
        return fail(words[0], "say weights.bin and a picture, as a binary PPM");
    int width = 0, height = 0;
    const void *weights = read_weights(words[1]);
    uint8_t *rgb = read_picture(words[2], &width, &height);
    if (!weights)
        return fail(words[1], "these are not the weights of this network");
    if (!rgb)
        return fail(words[2], "this is no binary PPM (P6) of 8 bits");
    void *arena = aligned(model_arena(width, height));
    void *outputs[OUTPUTS];
    for (int i = 0; i < OUTPUTS; i++)
        if (!(outputs[i] = aligned(output_bytes[i])))
            return fail(words[0], "there is not memory enough");
    const int code = model_run(weights, arena, rgb, width, height, outputs);
    free(rgb);
    if (code != model_ok)
        return fail(words[2], "the network cannot look at this picture");
    say(outputs);
    return 0;
}
