/* Exchanges for quadratic assignment: two nodes swap places, or one goes to a free place (or, in partial
 * matchings, to none). Descent, and the robust tabu search of Taillard 1991: the best exchange is made even
 * if it costs, and nodes may not go back to a place for a while of random length; places that were
 * not tried for long are tried. The random numbers are the same in each call. */
#include "quadratic.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "deadline.h"

enum { LONG = 2 }; /* times n^2: steps until a place is due again */

/* An exchange: node i goes to j; node k, if it is there, to where i was. */
typedef struct move {
  double gain; /* change of cost, or NaN: none yet */
  int64_t i, k, j;
  int is_overdue; /* goes where nothing like it went for long: before all others */
} move;

typedef struct walk {
  const quadratic *q;
  quadratic_room *w;
  double value;   /* of w->place, forbidden parts counted as `penalty` */
  double best;    /* of the best so far */
  double penalty; /* in the place of +inf: only steers */
  int64_t step;   /* 0: descent, no tabu */
  uint64_t random;
} walk;

double quadratic_value(const quadratic *q, const int32_t *place) {
  double sum = 0;
  for (int64_t i = 0; i < q->n; i++) {
    if (place[i] == QUADRATIC_NONE) continue;
    sum += q->unary[i * q->m + place[i]];
    for (int64_t k = 0; k < i; k++)
      if (place[k] != QUADRATIC_NONE) sum += quadratic_pair(q, i, place[i], k, place[k]);
  }
  return sum;
}

static double tamed(const walk *t, double cost) { return cost < t->penalty ? cost : t->penalty; }

/* Cost of i at j together with all other nodes but `without`. */
static double cost_at(const walk *t, int64_t i, int64_t j, int64_t without) {
  const quadratic *q = t->q;
  const int32_t *place = t->w->place;
  if (j == QUADRATIC_NONE) return 0;
  double sum = tamed(t, q->unary[i * q->m + j]);
  for (int64_t k = 0; k < q->n; k++)
    if (k != i && k != without && place[k] != QUADRATIC_NONE && place[k] != j)
      sum += tamed(t, quadratic_pair(q, i, j, k, place[k]));
  return sum;
}

static double pair_at(const walk *t, int64_t i, int64_t j, int64_t k, int64_t l) {
  if (j == QUADRATIC_NONE || l == QUADRATIC_NONE) return 0;
  return tamed(t, quadratic_pair(t->q, i, j, k, l));
}

/* The step until which i may not go to j; place m stands for none. */
static int32_t *tabu_of(const walk *t, int64_t i, int64_t j) {
  return &t->w->tabu[i * (t->q->m + 1) + (j == QUADRATIC_NONE ? t->q->m : j)];
}

/* Takes the move if it is better than the one in *best. */
static void offer(const walk *t, move *best, int64_t i, int64_t j, int64_t k) {
  const int32_t *place = t->w->place;
  double gain = cost_at(t, i, j, k) - t->w->own[i];
  if (k >= 0)
    gain += cost_at(t, k, place[i], i) - t->w->own[k] + pair_at(t, i, j, k, place[i]) +
            pair_at(t, i, place[i], k, j);
  int is_overdue = 0;
  if (t->step > 0) { /* the earlier of the two moments counts */
    int64_t until = *tabu_of(t, i, j), other = k < 0 ? until : *tabu_of(t, k, place[i]);
    until = other < until ? other : until;
    if (until > t->step && !(t->value + gain < t->best)) return;
    is_overdue = until < t->step - LONG * t->q->n * t->q->n;
  }
  if (isnan(best->gain) || is_overdue > best->is_overdue ||
      (is_overdue == best->is_overdue && gain < best->gain))
    *best = (move){gain, i, k, j, is_overdue};
}

static move best_move(const walk *t) {
  const quadratic *q = t->q;
  quadratic_room *w = t->w;
  move best = {.gain = NAN};
  for (int64_t i = 0; i < q->n; i++) w->own[i] = cost_at(t, i, w->place[i], -1);
  for (int64_t i = 0; i < q->n; i++) {
    for (int64_t k = i + 1; k < q->n; k++)
      if (w->place[i] != w->place[k]) offer(t, &best, i, w->place[k], k);
    for (int64_t j = 0; j < q->m; j++)
      if (w->owner[j] == QUADRATIC_NONE) offer(t, &best, i, j, -1);
    if (q->is_partial && w->place[i] != QUADRATIC_NONE) offer(t, &best, i, QUADRATIC_NONE, -1);
  }
  return best;
}

static uint64_t draw(walk *t) {
  uint64_t x = t->random += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

/* Forbids i its place for about as many steps as there are nodes. */
static void forbid(walk *t, int64_t i) {
  int64_t j = t->w->place[i], n = t->q->n, low = n - n / 10, span = n / 5 + 3;
  int64_t until = t->step + low + (int64_t)(draw(t) % (uint64_t)span);
  *tabu_of(t, i, j) = (int32_t)until;
}

static void apply(walk *t, const move *m) {
  quadratic_room *w = t->w;
  int32_t from = w->place[m->i];
  if (t->step > 0) {
    forbid(t, m->i);
    if (m->k >= 0) forbid(t, m->k);
  }
  if (from != QUADRATIC_NONE) w->owner[from] = (int32_t)m->k;
  if (m->k >= 0) w->place[m->k] = from;
  w->place[m->i] = (int32_t)m->j;
  if (m->j != QUADRATIC_NONE) w->owner[m->j] = (int32_t)m->i;
  t->value += m->gain;
}

/* Starts from w->place. */
static walk begin(const quadratic *q, quadratic_room *w) {
  walk t = {.q = q, .w = w, .penalty = 4 * (double)(q->n * q->n), .best = INFINITY};
  for (int64_t j = 0; j < q->m; j++) w->owner[j] = QUADRATIC_NONE;
  for (int64_t i = 0; i < q->n; i++)
    if (w->place[i] != QUADRATIC_NONE) w->owner[w->place[i]] = (int32_t)i;
  for (int64_t i = 0; i < q->n; i++) {
    t.value += cost_at(&t, i, w->place[i], -1) / 2;
    if (w->place[i] != QUADRATIC_NONE) t.value += tamed(&t, q->unary[i * q->m + w->place[i]]) / 2;
  }
  return t;
}

mg_status quadratic_descend(const quadratic *q, quadratic_room *room, double *value) {
  walk t = begin(q, room);
  int64_t most = 10 * (q->n + q->m);
  for (int64_t step = 0; step < most; step++) {
    move m = best_move(&t);
    if (!(m.gain < -1e-12)) break; /* more than rounding */
    apply(&t, &m);
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  memcpy(room->best, room->place, (size_t)q->n * sizeof *room->best);
  *value = quadratic_value(q, room->best);
  return MG_OK;
}

mg_status quadratic_tabu(const quadratic *q, quadratic_room *room, int64_t iterations, double deadline,
                         double *value) {
  memcpy(room->place, room->best, (size_t)q->n * sizeof *room->place);
  walk t = begin(q, room);
  t.best = t.value;
  for (int64_t i = 0; i < q->n * (q->m + 1); i++) room->tabu[i] = -(int32_t)i; /* not due all at once */
  for (t.step = 1; t.step <= iterations; t.step++) {
    move m = best_move(&t);
    if (!isnan(m.gain)) apply(&t, &m);
    if (t.value < t.best) {
      t.best = t.value;
      double now = quadratic_value(q, room->place);
      if (now < *value) {
        *value = now;
        memcpy(room->best, room->place, (size_t)q->n * sizeof *room->best);
      }
    }
    if (deadline_is_past(deadline)) break;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  return MG_OK;
}
