/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Level-synchronous breadth-first search.
 *
 * Successors are collected in batches, so that the table lines (first pass) and the states behind matching tags (second
 * pass) are on their way from memory when they are needed (third pass).  A small direct-mapped filter drops most
 * repetitions before they reach the table.  Several threads expand chunks of one level; a slot is claimed by
 * compare-and-swap after the state was written.  Which states a level has does not depend on the order, so results do
 * not depend on the number of threads.  When a limit is hit, the current level is still judged to its end, without
 * storing successors: what is reported then does not depend on it either. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define BATCH 256
#define FILTER 2048
#define CHUNK 64
#define SEGMENT 1024
#define MANY_THREADS 64

typedef struct {
    lq_search *s;
    const lq_model *m;
    lq_hits hits;
    u64 *batch;
    u32 *edge;
    u64 *hash;
    u64 *filter;
    u32 filled;
    u64 cursor, end;        /* free numbers of the queue that belong to this worker */
    u64 transitions;
    int parallel;
    int full;               /* successors are not stored any more */
    /* shared by the workers of one round */
    u64 *next_chunk, *tail;
    u64 from, to;           /* states of this level that are left */
    u64 stored_limit;       /* stop and grow when `tail` passes this */
} worker;

static int worker_open(worker *w, lq_search *s)
{
    const u64 room = BATCH + (u64)s->model->widest;
    memset(w, 0, sizeof *w);
    w->s = s;
    w->m = s->model;
    w->batch = malloc(room * 8 * W);
    w->edge = malloc(room * 4);
    w->hash = malloc(room * 8);
    w->filter = calloc(FILTER * W, 8);
    w->hits.check = malloc(4 * ((u64)s->model->most_hits + 1));
    w->hits.edge = malloc(4 * ((u64)s->model->most_hits + 1));
    w->hits.open = s->open;
    /* The filter must not know a state that was never stored: fill it with a stored one. */
    if (w->filter)
        for (u64 i = 0; i < FILTER; i++)
            lq_copy(w->filter + i * W, s->queue);
    return w->batch && w->edge && w->hash && w->filter && w->hits.check && w->hits.edge ? 0 : -1;
}

static void worker_close(worker *w)
{
    free(w->batch);
    free(w->edge);
    free(w->hash);
    free(w->filter);
    free(w->hits.check);
    free(w->hits.edge);
}

static inline void take_number(worker *w)
{
    if (w->cursor == w->end) {
        w->cursor = __atomic_fetch_add(w->tail, SEGMENT, __ATOMIC_RELAXED);
        w->end = w->cursor + SEGMENT;
    }
}

/* Finds or stores one state. */
static inline void enter(worker *w, const u64 *state, u64 h, const int parallel)
{
    lq_search *const s = w->s;
    const u64 buckets = s->slots / BUCKET - 1, tag = h >> 32 << 32;
    u64 b = h & buckets;
    int k = 0;
    int written = 0;
    for (;;) {
        u64 *const slot = s->table + b * BUCKET + k;
        u64 found = parallel ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : *slot;
        if (!found) {
            if (!parallel) {
                const u64 number = (*w->tail)++;
                lq_copy(s->queue + number * W, state);
                *slot = tag | (number + 1);
                return;
            }
            if (!written) {
                take_number(w);
                lq_copy(s->queue + w->cursor * W, state);
                written = 1;
            }
            if (__atomic_compare_exchange_n(slot, &found, tag | (w->cursor + 1), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                w->cursor++;
                return;
            }
        }
        if ((found ^ tag) >> 32 == 0 && lq_same(s->queue + ((found & 0xffffffffu) - 1) * W, state))
            return;
        if (++k == BUCKET) {
            k = 0;
            b = (b + 1) & buckets;
        }
    }
}

static inline void flush_batch(worker *w, const int parallel)
{
    const lq_search *const s = w->s;
    const u64 buckets = s->slots / BUCKET - 1;
    const u32 n = w->filled;
    for (u32 i = 0; i < n; i++) {
        const u64 *const line = s->table + (w->hash[i] & buckets) * BUCKET;
        const u64 tag = w->hash[i] >> 32;
        for (int k = 0; k < BUCKET; k++) {
            if (line[k] >> 32 == tag && line[k]) {
                __builtin_prefetch(s->queue + ((line[k] & 0xffffffffu) - 1) * W);
                break;
            }
        }
    }
    for (u32 i = 0; i < n; i++)
        enter(w, w->batch + (u64)i * W, w->hash[i], parallel);
    w->filled = 0;
}

/* Notes the hits of one state on level `level`. */
static void note(worker *w, u32 level)
{
    lq_search *const s = w->s;
    for (u32 i = 0; i < w->hits.count; i++) {
        const u32 c = w->hits.check[i];
        __atomic_store_n(s->first + c, level, __ATOMIC_RELAXED);
        __atomic_fetch_and(s->open + (c >> 6), ~((u64)1 << (c & 63)), __ATOMIC_RELAXED);
    }
}

static inline void expand_into_batch(worker *w, const u64 *state, u32 level)
{
    const lq_search *const s = w->s;
    u64 *const out = w->batch + (u64)w->filled * W;
    const u32 n = w->m->expand(state, out, w->edge, &w->hits);
    w->transitions += n + w->hits.errors;
    if (w->hits.count)
        note(w, level);
    if (w->full)
        return;
    if (w->m->canon)
        w->m->canon(out, n);
    const u64 buckets = s->slots / BUCKET - 1;
    u32 kept = w->filled;
    for (u32 i = 0; i < n; i++) {
        const u64 *const next = out + (u64)i * W;
        const u64 h = lq_hash(next);
        u64 *const recent = w->filter + (h >> 32 & (FILTER - 1)) * W;
        if (lq_same(recent, next))
            continue;
        lq_copy(recent, next);
        w->hash[kept] = h;
        lq_copy(w->batch + (u64)kept * W, next);
        kept++;
        __builtin_prefetch(s->table + (h & buckets) * BUCKET, 1);
    }
    w->filled = kept;
}

/* One worker's part of a round: chunks of the level until none is left or the table must grow. */
static inline void work(worker *w, u32 level, const int parallel)
{
    lq_search *const s = w->s;
    for (;;) {
        if (__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
            break;
        if (!w->full && __atomic_load_n(w->tail, __ATOMIC_RELAXED) > w->stored_limit)
            break;
        const u64 at = parallel ? __atomic_fetch_add(w->next_chunk, CHUNK, __ATOMIC_RELAXED) : *w->next_chunk;
        if (at >= w->to)
            break;
        const u64 end = at + CHUNK < w->to ? at + CHUNK : w->to;
        if (!parallel)
            *w->next_chunk = end;
        for (u64 i = at; i < end; i++) {
            expand_into_batch(w, s->queue + i * W, level);
            if (w->filled >= BATCH)
                flush_batch(w, parallel);
        }
    }
    flush_batch(w, parallel);
}

typedef struct {
    worker *w;
    u32 level;
} job;

static void *work_parallel(void *arg)
{
    job *j = arg;
    work(j->w, j->level, 1);
    return NULL;
}

/* Closes the gaps that unfinished segments leave, by moving states from the end of the queue into them. */
static void close_gaps(lq_search *s, worker *w, u32 count, u64 *tail)
{
    for (;;) {
        u32 last = count;
        for (u32 t = 0; t < count; t++)
            if (w[t].cursor < w[t].end && (last == count || w[t].end > w[last].end))
                last = t;
        if (last == count)
            return;
        if (w[last].end == *tail) {
            *tail = w[last].cursor;
            w[last].end = w[last].cursor;
            continue;
        }
        /* The gap that lies furthest back is not at the end: what follows it is full. */
        const u64 from = *tail - 1, to = w[last].cursor;
        const u64 *state = s->queue + from * W;
        const u64 h = lq_hash(state), buckets = s->slots / BUCKET - 1;
        for (u64 b = h & buckets, k = 0;; k == BUCKET - 1 ? (k = 0, b = (b + 1) & buckets) : k++) {
            u64 *slot = s->table + b * BUCKET + k;
            if ((*slot & 0xffffffffu) == from + 1) {
                *slot = (*slot >> 32 << 32) | (to + 1);
                break;
            }
        }
        lq_copy(s->queue + to * W, state);
        w[last].cursor++;
        (*tail)--;
    }
}

/* Expands the states from..to-1 of a level, growing the table when needed. */
static int run_level(lq_search *s, worker *w, u32 level, u64 from, u64 to)
{
    u64 next = from, tail = s->states;
    while (next < to && !__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        u32 count = to - next >= 4 * CHUNK && s->threads > 1 ? s->threads : 1;
        if (count > MANY_THREADS)
            count = MANY_THREADS;
        const u64 slack = (u64)count * (CHUNK * (u64)s->model->widest + BATCH + SEGMENT) + SEGMENT;
        u64 limit = s->slots - s->slots / 4;
        limit = limit > slack ? limit - slack : 0;
        if (s->status == LQ_COMPLETE && tail > limit) {
            u64 bigger = s->slots * (s->slots < ((u64)1 << 22) ? 4 : 2);
            while (bigger - bigger / 4 <= slack + tail)
                bigger *= 2;
            if (bigger * 8 + tail * 8 * W > s->max_bytes)
                s->status = LQ_MEMORY;
            else {
                s->states = tail;
                if (lq_grow(s, bigger))
                    return -1;
                continue;
            }
        }
        /* More than `max_states` states, or no room for another chunk: go on without storing. */
        const u64 taken = s->slots * 8 < s->max_bytes ? s->slots * 8 : s->max_bytes;
        u64 most = (s->max_bytes - taken) / (8 * W);
        if (s->capacity < most + slack)
            most = s->capacity > slack ? s->capacity - slack : 0;
        if (s->status == LQ_COMPLETE && s->max_states && tail > s->max_states)
            s->status = LQ_STATES;
        if (s->status == LQ_COMPLETE && tail > most)
            s->status = LQ_MEMORY;
        if (limit > most)
            limit = most;
        if (s->max_states && limit > s->max_states)
            limit = s->max_states;
        job jobs[MANY_THREADS];
        pthread_t thread[MANY_THREADS];
        u32 started = 0;
        for (u32 t = 0; t < count; t++) {
            w[t].m = __atomic_load_n(&s->model, __ATOMIC_ACQUIRE);
            w[t].next_chunk = &next;
            w[t].tail = &tail;
            w[t].to = to;
            w[t].stored_limit = limit;
            w[t].full = s->status != LQ_COMPLETE;
            w[t].cursor = w[t].end = 0;
            jobs[t] = (job){w + t, level};
        }
        for (u32 t = 1; t < count; t++) {
            if (pthread_create(thread + t, NULL, work_parallel, jobs + t))
                break;
            started = t;
        }
        work(w, level, count > 1);
        for (u32 t = 1; t <= started; t++)
            pthread_join(thread[t], NULL);
        close_gaps(s, w, count, &tail);
        s->states = tail;
        s->transitions = 0;
        for (u32 t = 0; t < s->threads; t++)
            s->transitions += w[t].transitions;
        s->frontier = tail - to;
        s->bytes = s->slots * 8 + tail * 8 * W;
        if (s->bytes > s->peak_bytes)
            s->peak_bytes = s->bytes;
    }
    return 0;
}

/* Whether all wanted checks have hit, or, with LQ_FIRST, one of them. */
static int decided(const lq_search *s)
{
    const int first = s->stop_early == LQ_FIRST;
    int any = 0;
    for (u32 c = 0; c < s->model->checks; c++) {
        if (s->wanted[c]) {
            any = 1;
            if ((s->first[c] == LQ_NEVER) != first)
                return first;
        }
    }
    return any && !first;
}

static int new_level(lq_search *s, u64 at)
{
    if (s->levels + 2 > s->level_room) {
        const u32 room = s->level_room ? s->level_room * 2 : 256;
        u64 *level = realloc(s->level, room * sizeof *level);
        if (!level)
            return -1;
        s->level = level;
        s->level_room = room;
    }
    s->level[s->levels++] = at;
    return 0;
}

static int search_levels(lq_search *s, worker *w)
{
    u64 from = 0, to = 1;
    while (from < to) {
        if (new_level(s, from))
            return -1;
        s->level[s->levels] = to;
        if (run_level(s, w, s->levels - 1, from, to))
            return -1;
        from = to;
        to = s->states;
        if (s->stop)
            s->status = LQ_STOPPED;
        else if (s->max_states && s->states > s->max_states && s->status == LQ_COMPLETE)
            s->status = LQ_STATES;
        else if (s->stop_early && s->status == LQ_COMPLETE && from < to && decided(s))
            s->status = LQ_DECIDED;
        if (s->status != LQ_COMPLETE)
            return 0;
    }
    return 0;
}

/* Explores the reachable states.  `first`, `open` and `wanted` are the caller's.  0: see `status`; -1: no memory. */
int lq_run(lq_search *s)
{
    if (!s->threads)
        s->threads = 1;
    if (s->threads > MANY_THREADS)
        s->threads = MANY_THREADS;
    if (lq_open(s))
        return -1;
    lq_copy(s->queue, s->model->initial);
    if (s->model->canon)
        s->model->canon(s->queue, 1);
    s->states = 1;
    if (lq_grow(s, s->slots))
        return -1;
    worker *w = calloc(s->threads, sizeof *w);
    int failed = w ? 0 : -1;
    for (u32 t = 0; !failed && t < s->threads; t++)
        failed = worker_open(w + t, s);
    if (!failed)
        failed = search_levels(s, w);
    for (u32 t = 0; w && t < s->threads; t++)
        worker_close(w + t);
    free(w);
    return failed;
}

void lq_close(lq_search *s)
{
    lq_unmap(s->queue, s->queue_bytes);
    lq_unmap(s->table, s->slots * 8);
    free(s->level);
    s->queue = s->table = s->level = NULL;
}
