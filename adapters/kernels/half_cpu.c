/* Products of fp32 rows with a weight of 16 bits (bfloat16) on a CPU, compiled on the machine that runs them.
 *
 * A bfloat16 is the upper half of a float, so that a weight that was trained in it is read in half the bytes, and the
 * product is that of the floats.
 */
#include <stdint.h>

enum { OUTPUTS = 4, AHEAD = 1024, LINE = 32 }; /* numbers that are fetched before they are needed, and of one fetch */

static inline float whole(uint16_t half) {
    const union { uint32_t bits; float value; } both = {(uint32_t)half << 16};
    return both.value;
}

/* y [rows, outputs] = x [rows, inputs] times weight [outputs, inputs], transposed. */
void half_multiply(const uint16_t *weight, int64_t outputs, int64_t inputs, const float *x, int64_t rows, float *y,
                   int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t output = 0; output < outputs; output += OUTPUTS) {
        const int64_t kept = outputs - output < OUTPUTS ? outputs - output : OUTPUTS;
        const uint16_t *w[OUTPUTS]; /* of what is not kept, the last one again */
        for (int64_t o = 0; o < OUTPUTS; o++) w[o] = weight + (output + (o < kept ? o : kept - 1)) * inputs;
        for (int64_t i = 0; i < kept * inputs; i += LINE) __builtin_prefetch(w[0] + i + AHEAD, 0, 0);
        for (int64_t row = 0; row < rows; row++) {
            const float *own = x + row * inputs;
            float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
            for (int64_t i = 0; i < inputs; i++) {
                a += own[i] * whole(w[0][i]);
                b += own[i] * whole(w[1][i]);
                c += own[i] * whole(w[2][i]);
                d += own[i] * whole(w[3][i]);
            }
            const float sums[OUTPUTS] = {a, b, c, d};
            for (int64_t o = 0; o < kept; o++) y[row * outputs + output + o] = sums[o];
        }
    }
}
