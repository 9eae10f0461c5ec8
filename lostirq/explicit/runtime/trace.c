/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shortest traces without parent pointers.
 *
 * lq_mark: one backward pass over the levels finds, for up to 64 checks at once, the states that lie on some shortest
 * path to a hit: each level is expanded again and its successors are looked up among the marked states of the next.
 * lq_trace: for one check, the marked part is walked forward once more on real states (with symmetry, not on canonical
 * ones), costs are computed backward, and the best sequence is read off forward: fewest changes of process, then least
 * by edge number.  cost(state, q) = fewest changes to come if the next step is one of process q. */
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define FAR 0xffff
#define NONE ((u64)-1)
#define STATE 0xffffffffu

typedef struct {
    u64 count, room;
    u32 *number;            /* states of the queue, ascending */
    u64 *mask;              /* checks that they lead to */
} marked;

typedef struct {
    u32 levels;
    marked *level;
    u64 *open;              /* bit set over all checks, for hits at one level */
    u32 checks;
    u32 check[64];          /* STATE: the state `target` itself is what is looked for */
    u32 last[64];           /* level of the hit */
    u64 target;
} lq_marks;

typedef struct {            /* real states at one distance, with their costs by process */
    u64 count, room;
    u64 *state;
    lq_set set;
    uint16_t *cost;
} layer;

static int mark_add(marked *m, u32 number, u64 mask)
{
    if (m->count == m->room) {
        const u64 room = m->room ? m->room * 2 : 64;
        u32 *n = realloc(m->number, room * sizeof *n);
        if (n)
            m->number = n;
        u64 *k = realloc(m->mask, room * sizeof *k);
        if (k)
            m->mask = k;
        if (!n || !k)
            return -1;
        m->room = room;
    }
    m->number[m->count] = number;
    m->mask[m->count++] = mask;
    return 0;
}

static u64 mark_of(const marked *m, u64 number)
{
    u64 lo = 0, hi = m->count;
    while (lo < hi) {
        const u64 mid = (lo + hi) / 2;
        if (m->number[mid] < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->count && m->number[lo] == number ? m->mask[lo] : 0;
}

static int set_of_level(const lq_search *s, const marked *m, lq_set *set)
{
    if (lq_set_open(set, m->count, s->queue))
        return -1;
    for (u64 i = 0; i < m->count; i++)
        if (lq_set_add(set, m->number[i]) < 0)
            return -1;
    return 0;
}

/* Opens the marks' checks that hit at `level`, among from..to-1. */
static void open_at(const lq_search *s, lq_marks *m, u32 level, u32 from, u32 to)
{
    memset(m->open, 0, 8 * ((u64)s->model->checks / 64 + 1));
    for (u32 c = from; c < to; c++)
        if (m->last[c] == level && m->check[c] != STATE)
            m->open[m->check[c] >> 6] |= (u64)1 << (m->check[c] & 63);
}

static int mark_level(lq_search *s, lq_marks *m, u32 level, lq_expander *x)
{
    lq_set after = {0};
    if (level + 1 < m->levels && set_of_level(s, m->level + level + 1, &after))
        return -1;
    open_at(s, m, level, 0, m->checks);
    int failed = 0;
    for (u64 i = s->level[level]; !failed && i < s->level[level + 1]; i++) {
        u64 mask = 0;
        const u32 n = lq_expander_run(x, s->queue + i * W);
        for (u32 h = 0; h < x->hits.count; h++)
            for (u32 c = 0; c < m->checks; c++)
                if (m->check[c] == x->hits.check[h])
                    mask |= (u64)1 << c;
        if (i == m->target)
            mask = 1;
        for (u32 k = 0; after.used && k < n; k++) {
            const u64 found = lq_set_find(&after, x->canon + (u64)k * W);
            if (found != NONE)
                mask |= mark_of(m->level + level + 1, found);
        }
        if (mask)
            failed = mark_add(m->level + level, (u32)i, mask);
        if (!(i & 255) && __atomic_load_n(&s->stop, __ATOMIC_RELAXED))
            failed = -2;
    }
    lq_set_close(&after);
    return failed;
}

void lq_unmark(lq_marks *m)
{
    for (u32 k = 0; m && k < m->levels; k++) {
        free(m->level[k].number);
        free(m->level[k].mask);
    }
    if (m) {
        free(m->level);
        free(m->open);
    }
    free(m);
}

static lq_marks *marks_open(lq_search *s, lq_marks *m)
{
    lq_expander x = {0};
    for (u32 c = 0; c < m->checks; c++)
        if (m->last[c] + 1 > m->levels)
            m->levels = m->last[c] + 1;
    m->level = calloc(m->levels, sizeof *m->level);
    m->open = calloc((u64)s->model->checks / 64 + 1, 8);
    int failed = m->level && m->open ? lq_expander_open(&x, s->model, m->open) : -1;
    for (u32 k = m->levels; !failed && k-- > 0;)
        failed = mark_level(s, m, k, &x);
    lq_expander_close(&x);
    if (!failed)
        return m;
    lq_unmark(m);
    return NULL;
}

/* The marked states for checks that were hit; at most 64.  NULL: no memory, or stopped (see `stop`). */
lq_marks *lq_mark(lq_search *s, const u32 *check, u32 checks)
{
    lq_marks *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->checks = checks;
    m->target = NONE;
    for (u32 c = 0; c < checks; c++) {
        m->check[c] = check[c];
        m->last[c] = s->first[check[c]];
    }
    return marks_open(s, m);
}

/* The marked states for one stored state. */
lq_marks *lq_mark_state(lq_search *s, u64 number)
{
    lq_marks *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->checks = 1;
    m->check[0] = STATE;
    m->target = number;
    while (s->level[m->last[0] + 1] <= number)
        m->last[0]++;
    return marks_open(s, m);
}

/* -- one trace ----------------------------------------------------------------------------------------------------- */

typedef struct {
    lq_search *s;
    lq_marks *m;
    lq_expander x;
    u32 bit, last, processes;
    layer *layers;          /* 0..last */
} tracer;

static int layer_add(layer *l, const u64 *state)
{
    if (l->count == l->room) {
        const u64 room = l->room ? l->room * 2 : 16;
        u64 *grown = realloc(l->state, room * 8 * W);
        if (!grown)
            return -1;
        l->state = grown;
        l->set.states = grown;
        l->room = room;
    }
    lq_copy(l->state + l->count * W, state);
    const int added = lq_set_add(&l->set, l->count);
    if (added == 1)
        l->count++;
    return added < 0 ? -1 : 0;
}

/* Real states of each distance that lie on a shortest path to a hit. */
static int forward(tracer *t)
{
    const lq_search *s = t->s;
    for (u32 k = 0; k <= t->last; k++)
        if (lq_set_open(&t->layers[k].set, 16, NULL))
            return -1;
    if (layer_add(t->layers, s->model->initial))
        return -1;
    for (u32 k = 0; k < t->last; k++) {
        const marked *next = t->m->level + k + 1;
        lq_set after = {0};
        int failed = set_of_level(s, next, &after);
        for (u64 i = 0; !failed && i < t->layers[k].count; i++) {
            const u32 n = lq_expander_run(&t->x, t->layers[k].state + i * W);
            for (u32 j = 0; !failed && j < n; j++) {
                const u64 found = lq_set_find(&after, t->x.canon + (u64)j * W);
                if (found != NONE && mark_of(next, found) >> t->bit & 1)
                    failed = layer_add(t->layers + k + 1, t->x.next + (u64)j * W);
            }
            if (__atomic_load_n(&t->s->stop, __ATOMIC_RELAXED))
                failed = -2;
        }
        lq_set_close(&after);
        if (failed)
            return failed;
    }
    return 0;
}

/* Fewest changes of process still to come after a step of process q into state i of layer k; FAR: not on a path. */
static u32 arrive(const tracer *t, u32 k, u64 i, u32 q)
{
    const uint16_t *cost = t->layers[k].cost + i * (t->processes + 1);
    const u32 change = cost[t->processes] + 1u;
    return cost[q] < change ? cost[q] : change;
}

static void offer(const tracer *t, uint16_t *cost, u32 q, u32 value)
{
    if (value < cost[q])
        cost[q] = (uint16_t)value;
    if (value < cost[t->processes])
        cost[t->processes] = (uint16_t)value;
}

/* cost[q] of every real state, q < processes; cost[processes]: the least of them. */
static int backward(tracer *t)
{
    const u32 *owner = t->s->model->process_of;
    for (u32 k = t->last + 1; k-- > 0;) {
        layer *l = t->layers + k;
        const u64 room = l->count * (t->processes + 1);
        l->cost = malloc((room + 1) * sizeof *l->cost);
        if (!l->cost)
            return -1;
        memset(l->cost, 0xff, room * sizeof *l->cost);
        open_at(t->s, t->m, k, t->bit, t->bit + 1);
        for (u64 i = 0; i < l->count; i++) {
            uint16_t *cost = l->cost + i * (t->processes + 1);
            if (k == t->last && t->m->check[t->bit] == STATE)
                memset(cost, 0, (t->processes + 1) * sizeof *cost);
            const u32 n = lq_expander_run(&t->x, l->state + i * W);
            for (u32 h = 0; h < t->x.hits.count; h++) {
                if (t->x.hits.edge[h] >= 0)
                    offer(t, cost, owner[t->x.hits.edge[h]], 0);
                else
                    memset(cost, 0, (t->processes + 1) * sizeof *cost);
            }
            for (u32 j = 0; k < t->last && j < n; j++) {
                const u64 to = lq_set_find(&l[1].set, t->x.next + (u64)j * W);
                if (to != NONE && l[1].cost[to * (t->processes + 1) + t->processes] != FAR)
                    offer(t, cost, owner[t->x.edge[j]], arrive(t, k + 1, to, owner[t->x.edge[j]]));
            }
        }
    }
    return 0;
}

/* The best sequence of moves; their number. */
static i32 walk(tracer *t, i32 *moves)
{
    const u32 *owner = t->s->model->process_of;
    u64 at = 0;
    u32 process = t->processes, budget = t->layers[0].cost[t->processes];
    i32 length = 0;
    for (u32 k = 0; k <= t->last; k++) {
        if (k == t->last && t->m->check[t->bit] == STATE)
            return length;
        open_at(t->s, t->m, k, t->bit, t->bit + 1);
        const u32 n = lq_expander_run(&t->x, t->layers[k].state + at * W);
        i64 best = -1;
        u64 to = 0;
        for (u32 h = 0; k == t->last && h < t->x.hits.count; h++) {
            const i32 e = t->x.hits.edge[h];
            if (e < 0)
                return length;
            const u32 change = process != t->processes && owner[e] != process;
            if (change == budget && (best < 0 || e < best))
                best = e;
        }
        for (u32 j = 0; k < t->last && j < n; j++) {
            const u32 e = t->x.edge[j];
            const u64 next = lq_set_find(&t->layers[k + 1].set, t->x.next + (u64)j * W);
            if (next == NONE || t->layers[k + 1].cost[next * (t->processes + 1) + t->processes] == FAR)
                continue;
            const u32 change = process != t->processes && owner[e] != process;
            if (change + arrive(t, k + 1, next, owner[e]) == budget && (best < 0 || e < best)) {
                best = e;
                to = next;
            }
        }
        if (best < 0)
            return -1;
        moves[length++] = (i32)best;
        budget -= process != t->processes && owner[best] != process;
        process = owner[best];
        at = to;
    }
    return length;
}

/* The level of what is looked for; a trace has at most one move more. */
u32 lq_level(const lq_marks *m, u32 which)
{
    return m->last[which];
}

/* Writes the moves of the best trace to hit number `which` of the marks.  Negative: failure. */
i32 lq_trace(lq_search *s, lq_marks *m, u32 which, i32 *moves)
{
    tracer t = {.s = s, .m = m, .bit = which, .last = m->last[which], .processes = s->model->processes};
    t.layers = calloc(t.last + 1, sizeof *t.layers);
    i32 result = t.layers ? lq_expander_open(&t.x, s->model, m->open) : -1;
    memset(m->open, 0, 8 * ((u64)s->model->checks / 64 + 1));
    if (!result)
        result = forward(&t);
    if (!result)
        result = backward(&t);
    if (!result)
        result = walk(&t, moves);
    for (u32 k = 0; t.layers && k <= t.last; k++) {
        free(t.layers[k].state);
        free(t.layers[k].cost);
        lq_set_close(&t.layers[k].set);
    }
    free(t.layers);
    lq_expander_close(&t.x);
    return result;
}
