/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interface between the generated code of one system and the fixed search code.
 *
 * A check `hits` on a state (edge == -1) or on an edge; only checks whose bit in `open` is set are evaluated. */
#ifndef LQ_MODEL_H
#define LQ_MODEL_H

#include <stdint.h>

typedef uint64_t u64;
typedef int64_t i64;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint8_t u8;

typedef struct {
    u32 count;      /* hits of the state that was expanded last */
    u32 errors;     /* its enabled edges that assign out of range: transitions without a successor */
    const u64 *open;
    u32 *check;
    i32 *edge;
} lq_hits;

typedef struct {
    u32 words, edges, processes, checks;
    u32 widest;     /* most successors of a state */
    u32 most_hits;
    const u64 *initial;
    const u32 *process_of;  /* of an edge */
    /* Writes the successors of `s` to `o` and their edges to `e`; returns their number. */
    u32 (*expand)(const u64 *s, u64 *restrict o, u32 *restrict e, lq_hits *h);
    /* Replaces n states by their canonical forms; NULL without symmetry. */
    void (*canon)(u64 *o, u32 n);
} lq_model;

#ifdef __TINYC__        /* has none of these */
static inline int __builtin_clzll(u64 a)
{
    int n = 0;

    for (int step = 32; step; step /= 2)
        if (!(a >> (64 - step))) {
            n += step;
            a <<= step;
        }
    return n;
}

static inline int __builtin_popcountll(u64 a)
{
    int n = 0;

    for (; a; a &= a - 1)
        n++;
    return n;
}
#endif

static inline void lq_hit(lq_hits *h, u32 check, i32 edge)
{
    h->check[h->count] = check;
    h->edge[h->count++] = edge;
}

static inline i64 lq_bit(u64 a, i64 i, i64 width)
{
    return i >= 0 && i < width ? (i64)(a >> i & 1) : 0;
}

static inline u64 lq_put(u64 a, i64 i, i64 b, i64 width)
{
    return i >= 0 && i < width ? (a & ~(1ull << i)) | (u64)b << i : a;
}

static inline i64 lq_highest(u64 a)
{
    return a ? 63 - __builtin_clzll(a) : -1;
}

static inline i64 lq_in(const u64 *set, u64 i)
{
    return (i64)(set[i >> 6] >> (i & 63) & 1);
}

#endif
