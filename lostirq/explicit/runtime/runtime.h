/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of one search, and the store of states: compiled once per number of words per state (LQ_WORDS).
 *
 * All states lie in one array in breadth-first order; `level[d]` is where distance d begins.  The table holds, per slot,
 * a 32-bit tag and the number of a state + 1; a tag match is verified against the state, so that storage is exact.
 * A bucket is one cache line of 8 slots; full buckets overflow into the next one. */
#ifndef LQ_RUNTIME_H
#define LQ_RUNTIME_H

#include <stddef.h>

#include "model.h"

#define W LQ_WORDS
#define LQ_NEVER 0xffffffffu
#define BUCKET 8

enum lq_early { LQ_ALL = 1, LQ_FIRST };
enum lq_status { LQ_COMPLETE, LQ_STOPPED, LQ_STATES, LQ_MEMORY, LQ_DECIDED };

typedef struct {
    /* in: set by the caller, mirrored in lostirq/explicit/native.py */
    const lq_model *model;
    u64 max_states;         /* 0: no limit */
    u64 max_bytes;
    u32 threads;
    u32 stop_early;         /* 0: never, LQ_ALL: when all that is wanted is decided, LQ_FIRST: when one is */
    const u8 *wanted;       /* per check: counts for stop_early */
    /* out */
    i32 status;
    u32 levels;             /* number of levels that have states */
    u64 states, transitions, frontier, bytes, peak_bytes;
    u32 *first;             /* per check: level of the state that hit first (an edge: of its source), or LQ_NEVER */
    u64 *open;              /* checks that are evaluated, as a bit set */
    i32 stop;               /* set by the caller, at any time */
    i32 padding;
    /* private */
    u64 *queue;
    u64 capacity;           /* states that fit into the queue */
    u64 queue_bytes;        /* reserved address space */
    u64 *table;
    u64 slots;
    u64 *level;             /* levels + 1 offsets into the queue */
    u32 level_room;
} lq_search;

typedef struct {
    u64 *slot;
    u64 slots;
    u64 used;
    const u64 *states;      /* the array that state numbers refer to */
} lq_set;

static inline u64 lq_hash(const u64 *s)
{
    u64 h = 0x9e3779b97f4a7c15ull;
    for (int w = 0; w < W; w++) {
        h ^= s[w];
        h *= 0xd6e8feb86659fd93ull;
        h ^= h >> 32;
    }
    h *= 0xd6e8feb86659fd93ull;
    return h ^ h >> 29;
}

static inline int lq_same(const u64 *a, const u64 *b)
{
    u64 d = 0;
    for (int w = 0; w < W; w++)
        d |= a[w] ^ b[w];
    return d == 0;
}

static inline void lq_copy(u64 *to, const u64 *from)
{
    for (int w = 0; w < W; w++)
        to[w] = from[w];
}

/* store.c */
void *lq_map(u64 bytes, int huge);
void lq_unmap(void *at, u64 bytes);
int lq_open(lq_search *s);
int lq_grow(lq_search *s, u64 slots);
u64 lq_find(const lq_search *s, const u64 *state);          /* number of a stored state, or -1 */
int lq_set_open(lq_set *set, u64 expected, const u64 *states);
int lq_set_add(lq_set *set, u64 number);                    /* 1: new, 0: there, -1: no memory */
u64 lq_set_find(const lq_set *set, const u64 *state);       /* state number, or -1 */
void lq_set_close(lq_set *set);

/* Buffers for expanding single states. */
typedef struct {
    u64 *next;              /* successors as the model gives them */
    u64 *canon;             /* their canonical forms; the same array without symmetry */
    u32 *edge;
    lq_hits hits;
    const lq_model *model;
} lq_expander;

int lq_expander_open(lq_expander *x, const lq_model *m, const u64 *open);
u32 lq_expander_run(lq_expander *x, const u64 *state);
void lq_expander_close(lq_expander *x);

#endif
