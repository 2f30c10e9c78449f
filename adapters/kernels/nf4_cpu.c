/* Products with 4-bit weights on a CPU, compiled on the machine that runs them, for its own instructions.
 *
 * A weight [outputs, inputs] lies as bitsandbytes has it: two codes a byte, the first in the high half; a scale for
 * each `block` codes in a row, as a float, or in 8 bits with a table, scales of its own and an offset (double
 * quantization).
 *
 *     weight[i] = code[nibble i] * scale[i / block]
 *
 * A product of several rows takes four outputs at a time and up to 1,024 inputs of them: these are unpacked into 16
 * KiB, each weight as bitsandbytes computes it, which the first cache holds, and multiplied there with all rows of x.
 * That of one row takes each code as it comes and scales the sum of a block: the same to rounding. Either way a weight
 * is read from memory once, in its 4 bits.
 */
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512BW__)
#include <immintrin.h>
#endif

struct nf4 {
    int64_t outputs, inputs; /* inputs: whole blocks */
    const uint8_t *codes;
    const float *code;       /* what the 16 codes stand for */
    int64_t block_bits;      /* a block has 2 to this power codes, 32 or more */
    const float *scales;     /* or NULL, and double quantization: */
    const uint8_t *scales8;
    const float *table8;     /* 256 values */
    const float *scales_of_scales;
    int64_t block8_bits;
    float offset;
};

enum { OUTPUTS = 4, INPUTS = 1024, AHEAD = 4096 }; /* AHEAD: bytes */

#if defined(__AVX512F__) && defined(__AVX512BW__)
enum { LANES = 16, ROWS = 4 };
#elif defined(__AVX2__) && defined(__FMA__)
enum { LANES = 8, ROWS = 2 };
#else
enum { LANES = 4, ROWS = 2 };
#endif
enum { VECS = 32 / LANES };

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* at any address */

static inline vec multiply_add(vec a, vec b, vec c) {
#if defined(__AVX512F__) && defined(__AVX512BW__)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* Sums over the lanes of four vectors. */
static inline void sums_of(const vec *v, float *sums) {
#if defined(__AVX2__) && defined(__FMA__)
    __m256 half[OUTPUTS];
    for (int o = 0; o < OUTPUTS; o++)
#if defined(__AVX512F__) && defined(__AVX512BW__)
        half[o] = _mm256_add_ps(_mm512_castps512_ps256((__m512)v[o]),
                                _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v[o]), 1)));
#else
        half[o] = (__m256)v[o];
#endif
    const __m256 four = _mm256_hadd_ps(_mm256_hadd_ps(half[0], half[1]), _mm256_hadd_ps(half[2], half[3]));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
#else
    for (int o = 0; o < OUTPUTS; o++) sums[o] = (v[o][0] + v[o][1]) + (v[o][2] + v[o][3]);
#endif
}

static inline float scale_of(const struct nf4 *w, int64_t block) {
    if (w->scales) return w->scales[block];
    return w->table8[w->scales8[block]] * w->scales_of_scales[block >> w->block8_bits] + w->offset;
}

#if defined(__AVX512F__) && defined(__AVX512BW__)
typedef __m512 lookup;

static inline lookup lookup_of(const float *code) { return _mm512_loadu_ps(code); }

/* What 16 bytes, 32 codes, stand for: those of the high halves, then those of the low ones. */
static inline void look_up(const uint8_t *bytes, lookup table, vec *out) {
    const __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes));
    out[0] = (vec)_mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), table);
    out[1] = (vec)_mm512_permutexvar_ps(both, table); /* only the four lowest bits count */
}

static inline void in_order(vec *values) {
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512 high = (__m512)values[0], low = (__m512)values[1];
    values[0] = (vec)_mm512_permutex2var_ps(high, first, low);
    values[1] = (vec)_mm512_permutex2var_ps(high, _mm512_add_epi32(first, _mm512_set1_epi32(8)), low);
}

/* Numbers in the order of `look_up`. */
static inline void as_looked_up(const float *x, int64_t count, float *out) {
    for (int64_t at = 0; at < count; at += 32)
        for (int64_t i = 0; i < 16; i++) out[at + i] = x[at + 2 * i], out[at + 16 + i] = x[at + 2 * i + 1];
}
#elif defined(__AVX2__) && defined(__FMA__)
/* Byte j of each of the 16 floats, in both halves. */
typedef struct { __m256i plane[4]; } lookup;

static inline lookup lookup_of(const float *code) {
    lookup table;
    for (int j = 0; j < 4; j++) {
        uint8_t plane[16];
        for (int i = 0; i < 16; i++) plane[i] = ((const uint8_t *)(code + i))[j];
        table.plane[j] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)plane));
    }
    return table;
}

/* What 16 bytes, 32 codes, stand for: the four bytes of each float are looked up apart, and interleaved. */
static inline void look_up(const uint8_t *bytes, lookup table, vec *out) {
    const __m128i both = _mm_loadu_si128((const __m128i *)bytes), low = _mm_set1_epi8(15);
    const __m128i first = _mm_and_si128(_mm_srli_epi16(both, 4), low), second = _mm_and_si128(both, low);
    const __m256i natural = _mm256_set_m128i(_mm_unpackhi_epi8(first, second), _mm_unpacklo_epi8(first, second));
    /* Interleaving goes by halves: 0-3, 8-11, 16-19, 24-27 in one and the rest in the other come out in order. */
    const __m256i codes = _mm256_permutevar8x32_epi32(natural, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    const __m256i b0 = _mm256_shuffle_epi8(table.plane[0], codes), b1 = _mm256_shuffle_epi8(table.plane[1], codes);
    const __m256i b2 = _mm256_shuffle_epi8(table.plane[2], codes), b3 = _mm256_shuffle_epi8(table.plane[3], codes);
    const __m256i l01 = _mm256_unpacklo_epi8(b0, b1), l23 = _mm256_unpacklo_epi8(b2, b3);
    const __m256i h01 = _mm256_unpackhi_epi8(b0, b1), h23 = _mm256_unpackhi_epi8(b2, b3);
    out[0] = (vec)_mm256_unpacklo_epi16(l01, l23), out[1] = (vec)_mm256_unpackhi_epi16(l01, l23);
    out[2] = (vec)_mm256_unpacklo_epi16(h01, h23), out[3] = (vec)_mm256_unpackhi_epi16(h01, h23);
}
#else
typedef const float *lookup;

static inline lookup lookup_of(const float *code) { return code; }

static inline void look_up(const uint8_t *bytes, lookup table, vec *out) {
    for (int i = 0; i < 16; i++) {
        out[2 * i / LANES][2 * i % LANES] = table[bytes[i] >> 4];
        out[2 * i / LANES][2 * i % LANES + 1] = table[bytes[i] & 15];
    }
}
#endif
#if !(defined(__AVX512F__) && defined(__AVX512BW__))
static inline void in_order(vec *values) { (void)values; }

static inline void as_looked_up(const float *x, int64_t count, float *out) { memcpy(out, x, count * sizeof(float)); }
#endif

/* Unpack `count` weights from the flat index `first` on; both multiples of 32. */
static inline void unpack(const struct nf4 *w, lookup table, int64_t first, int64_t count, float *out) {
    const int64_t end = first + count;
    while (first < end) {
        const int64_t block = first >> w->block_bits, behind = (block + 1) << w->block_bits;
        const float scale = scale_of(w, block);
        for (; first < end && first < behind; first += 32, out += 32) {
            vec values[VECS];
            look_up(w->codes + first / 2, table, values);
            in_order(values);
            for (int i = 0; i < VECS; i++) *(loose *)(out + i * LANES) = values[i] * scale;
        }
    }
}

/* Add to y [rows, outputs], of which `kept` columns are there, x [rows, count] times the unpacked weights. */
static inline __attribute__((always_inline)) void
add_products(const float *x, int64_t x_step, const float *unpacked, int64_t count, float *y, int64_t y_step,
             int64_t kept, const int rows) {
    vec sums[ROWS][OUTPUTS];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < OUTPUTS; o++) sums[r][o] = (vec){0};
    for (int64_t i = 0; i < count; i += LANES)
        for (int r = 0; r < rows; r++) {
            const vec own = *(const loose *)(x + r * x_step + i);
            for (int o = 0; o < OUTPUTS; o++)
                sums[r][o] = multiply_add(own, *(const loose *)(unpacked + o * INPUTS + i), sums[r][o]);
        }
    for (int r = 0; r < rows; r++) {
        float total[OUTPUTS];
        sums_of(sums[r], total);
        for (int o = 0; o < kept; o++) y[r * y_step + o] += total[o];
    }
}

/* y, of which `kept` columns are there, = x [inputs], as looked up, times the weights of outputs from `output` on:
 * nothing is unpacked to memory, and a block is scaled once. */
static inline void one_row(const struct nf4 *w, lookup table, int64_t output, int64_t kept, const float *x, float *y) {
    vec sums[OUTPUTS] = {{0}};
    for (int64_t input = 0; input < w->inputs; input += (int64_t)1 << w->block_bits)
        for (int64_t o = 0; o < kept; o++) {
            const int64_t first = (output + o) * w->inputs + input;
            vec part = {0};
            __builtin_prefetch(w->codes + first / 2 + AHEAD, 0, 0);
            for (int64_t i = 0; i < (int64_t)1 << w->block_bits; i += 32) {
                vec values[VECS];
                look_up(w->codes + (first + i) / 2, table, values);
                for (int v = 0; v < VECS; v++)
                    part = multiply_add(values[v], *(const loose *)(x + input + i + v * LANES), part);
            }
            sums[o] += part * scale_of(w, first >> w->block_bits);
        }
    float total[OUTPUTS];
    sums_of(sums, total);
    memcpy(y, total, kept * sizeof(float));
}

/* y [rows, outputs] = x [rows, inputs] times the weight, transposed. */
void nf4_multiply(const struct nf4 *w, const float *x, int64_t rows, float *y, int threads) {
    const int64_t tiles = (w->outputs + OUTPUTS - 1) / OUTPUTS;
    float single[rows == 1 ? w->inputs : 1];
    if (rows == 1) as_looked_up(x, w->inputs, single);
    memset(y, 0, rows * w->outputs * sizeof(float));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float unpacked[OUTPUTS * INPUTS] __attribute__((aligned(64)));
        const lookup table = lookup_of(w->code);
        memset(unpacked, 0, sizeof unpacked);
#pragma omp for schedule(static)
        for (int64_t tile = 0; tile < tiles; tile++) {
            const int64_t output = tile * OUTPUTS;
            const int64_t kept = w->outputs - output < OUTPUTS ? w->outputs - output : OUTPUTS;
            if (rows == 1) {
                one_row(w, table, output, kept, single, y + output);
                continue;
            }
            for (int64_t input = 0; input < w->inputs; input += INPUTS) {
                const int64_t count = w->inputs - input < INPUTS ? w->inputs - input : INPUTS;
                for (int64_t o = 0; o < kept; o++)
                    unpack(w, table, (output + o) * w->inputs + input, count, unpacked + o * INPUTS);
                int64_t row = 0;
                for (; row + ROWS <= rows; row += ROWS)
                    add_products(x + row * w->inputs + input, w->inputs, unpacked, count,
                                 y + row * w->outputs + output, w->outputs, kept, ROWS);
                for (; row < rows; row++)
                    add_products(x + row * w->inputs + input, w->inputs, unpacked, count,
                                 y + row * w->outputs + output, w->outputs, kept, 1);
            }
        }
    }
}

/* out [outputs, inputs]: the weight. */
void nf4_unpack(const struct nf4 *w, float *out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t output = 0; output < w->outputs; output++)
        unpack(w, lookup_of(w->code), output * w->inputs, w->inputs, out + output * w->inputs);
}
