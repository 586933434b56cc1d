/* Assignment on a whole matrix: Jonker and Volgenant 1987. Rows are placed by augmenting row
 * reduction, those left by shortest augmenting paths (Dijkstra without a heap); where many are left
 * for ties, first by paths of tight cells. The inner loops look at a whole row in vectors. Columns
 * that are taken carry half a quantum in their price, so that a free one comes first among equals. */
#include "assignment.h"
#include "base/interrupt.h"

#define HALVES(v) __builtin_shufflevector(v, v, 2, 3, 0, 1)
#define NEIGHBOURS(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)

static const marks lane_numbers = {0, 1, 2, 3};

enum { REDUCTIONS = 4, MANY_TIED = 64, TICK_CELLS = 1 << 18 };

/* The two least of cost - price in a row, with their columns. */
typedef struct two_least {
  value first, second;
  int64_t first_col, second_col;
} two_least;

INLINED two_least look(const problem *p, int64_t row, int from_theta) {
  const int64_t place = row * p->width;
  values least = values_all(VALUE_FORBIDDEN), next = least;
  marks least_at = marks_all(0), next_at = least_at;
  for (int64_t j = 0; j < p->width; j += LANES) {
    const values x = costs_at(p, place + j, from_theta) - values_at(p->price + j);
    const marks here = marks_all(j), below = x < least, between = x < next;
    next = values_pick(below, least, values_pick(between, x, next));
    next_at = marks_pick(below, least_at, marks_pick(between, here, next_at));
    least = values_pick(below, x, least);
    least_at = marks_pick(below, here, least_at);
  }
  least_at += lane_numbers;
  next_at += lane_numbers;
  for (int round = 0; round < 2; round++) { /* with the lanes of the other half, then neighbours */
    const values x = round ? NEIGHBOURS(least) : HALVES(least);
    const values y = round ? NEIGHBOURS(next) : HALVES(next);
    const marks x_at = round ? NEIGHBOURS(least_at) : HALVES(least_at);
    const marks y_at = round ? NEIGHBOURS(next_at) : HALVES(next_at);
    const marks below = x < least, better = y < next;
    const values loser = values_pick(below, least, x), rest = values_pick(better, y, next);
    const marks loser_at = marks_pick(below, least_at, x_at);
    const marks rest_at = marks_pick(better, y_at, next_at);
    const marks between = loser < rest;
    next = values_pick(between, loser, rest);
    next_at = marks_pick(between, loser_at, rest_at);
    least = values_pick(below, x, least);
    least_at = marks_pick(below, x_at, least_at);
  }
  return (two_least){least[0], next[0], least_at[0], next_at[0]};
}

INLINED void take(problem *p, int64_t row, int64_t col) {
  if (p->row_of[col] == UNMATCHED) p->price[col] -= p->scale.half;
  p->row_of[col] = row;
  p->col_of[row] = col;
}

/* Places rows at their best column, whose price falls until it is as good as the second best; a row
 * that was there goes on. Leaves the rows it could not place in open, and counts those of them that
 * ties stopped; the number of all, or -1: a row has no cell. */
static int64_t reduce(problem *p, int64_t *tied) {
  int64_t left = 0, steps = REDUCTIONS * p->rows;
  for (int64_t next = 0; next < p->rows; next++) {
    int64_t row = next;
    while (row != UNMATCHED) {
      two_least t = p->theta ? look(p, row, 1) : look(p, row, 0);
      if (p->alone && p->alone[row] <= t.first && p->alone[row] < VALUE_FAR) break;
      if (t.first >= VALUE_FAR) return -1;
      const int64_t col = t.first_col, owner = p->row_of[col];
      value fall = 0;
      if (t.second < VALUE_FAR && p->row_of[t.second_col] != UNMATCHED) t.second -= p->scale.half;
      if (owner != UNMATCHED) t.first -= p->scale.half;
      if (p->alone && p->alone[row] < t.second) t.second = p->alone[row];
      const value most = true_price(p, col) - p->scale.least;
      fall = t.second < VALUE_FAR ? t.second - t.first : most;
      fall = fall < most ? fall : most;
      if (fall <= 0 && owner != UNMATCHED) {
        ++*tied;
        p->open[left++] = row;
        break;
      }
      if (fall > 0) p->price[col] -= fall;
      if (owner != UNMATCHED) p->col_of[owner] = UNMATCHED;
      take(p, row, col);
      row = owner;
      if (row != UNMATCHED && steps-- <= 0) {
        p->open[left++] = row;
        break;
      }
    }
  }
  return left;
}

typedef struct nearest {
  value key;
  int64_t col;
} nearest;

/* Offers the cells of a row as ways to their columns; the nearest column of all. */
INLINED nearest relax(problem *p, int64_t row, value base, int from_theta) {
  const marks here = marks_all(row);
  values least[2] = {values_all(VALUE_FORBIDDEN), values_all(VALUE_FORBIDDEN)};
  marks at[2] = {marks_all(0), marks_all(0)};
  for (int64_t j = 0; j < p->width; j += WIDTH_STEP)
    for (int h = 0; h < 2; h++) {
      const int64_t place = j + h * LANES;
      values *key = (values *)(void *)(p->key + place);
      marks *from = (marks *)(void *)(p->from + place);
      const values cost = costs_at(p, row * p->width + place, from_theta);
      const values offer = cost - values_at(p->price + place) + base;
      const marks lower = offer < *key;
      const values now = values_pick(lower, offer, *key);
      *key = now;
      *from = marks_pick(lower, here, *from);
      const marks nearer = now < least[h];
      least[h] = values_pick(nearer, now, least[h]);
      at[h] = marks_pick(nearer, marks_all(place), at[h]);
    }
  const marks second = least[1] < least[0];
  least[0] = values_pick(second, least[1], least[0]);
  at[0] = marks_pick(second, at[1], at[0]);
  at[0] += lane_numbers;
  for (int round = 0; round < 2; round++) {
    const values x = round ? NEIGHBOURS(least[0]) : HALVES(least[0]);
    const marks x_at = round ? NEIGHBOURS(at[0]) : HALVES(at[0]);
    const marks below = x < least[0];
    least[0] = values_pick(below, x, least[0]);
    at[0] = marks_pick(below, x_at, at[0]);
  }
  return (nearest){least[0][0], at[0][0]};
}

/* Hands columns on along the path that ends in col, so that the row it starts from has one. */
static void augment(problem *p, int64_t start, int64_t col) {
  for (;;) {
    const int64_t row = p->from[col], before = p->col_of[row];
    take(p, row, col);
    if (row == start) return;
    col = before;
  }
}

/* Gives the settled columns their prices: those nearer than the end fall. */
static void settle(problem *p, int64_t count, value end) {
  for (int64_t k = 0; k < count; k++)
    p->price[p->done[k]] = p->done_price[k] + (p->done_key[k] - end);
}

/* Places one row by a shortest augmenting path. */
static outcome search(problem *p, int64_t start) {
  const value half = p->scale.half;
  value base = 0, alone = VALUE_FORBIDDEN;
  int64_t row = start, alone_row = UNMATCHED, settled = 0;
  for (int64_t j = 0; j < p->width; j++) p->key[j] = VALUE_FORBIDDEN;
  for (;;) {
    const nearest n = p->theta ? relax(p, row, base, 1) : relax(p, row, base, 0);
    if (p->alone && p->alone[row] < VALUE_FAR && base + p->alone[row] < alone) {
      alone = base + p->alone[row];
      alone_row = row;
    }
    if (alone_row != UNMATCHED && alone <= n.key) {
      settle(p, settled, alone);
      const int64_t col = p->col_of[alone_row];
      p->col_of[alone_row] = UNMATCHED;
      if (alone_row != start) augment(p, start, col);
      return SOLVED;
    }
    if (n.key >= VALUE_FAR) return settle(p, settled, 0), IMPOSSIBLE;
    const int64_t owner = p->row_of[n.col];
    if (owner == UNMATCHED) {
      settle(p, settled, n.key);
      augment(p, start, n.col);
      return SOLVED;
    }
    const value key = n.key - half; /* without what makes it look dear */
    base = key - (cost_at(p, owner, n.col) - (p->price[n.col] + half));
    p->done[settled] = n.col;
    p->done_key[settled] = key;
    p->done_price[settled++] = p->price[n.col];
    p->price[n.col] = -VALUE_FORBIDDEN; /* no way leads there any more */
    p->key[n.col] = VALUE_FAR;
    row = owner;
    if (settled * p->width % TICK_CELLS < p->width && interrupt_tick() != MG_OK) return STOPPED;
  }
}

void assignment_true_prices(problem *p) {
  for (int64_t j = 0; j < p->cols; j++) p->price[j] = true_price(p, j);
}

INLINED void mark(const problem *p, int64_t row, value own, uint64_t *tight, int from_theta) {
  for (int64_t w = 0; w < p->words; w++) {
    const int64_t end = 64 * w + 64 < p->width ? 64 * w + 64 : p->width;
    marks bits = marks_all(0), here = {1, 2, 4, 8};
    for (int64_t j = 64 * w; j < end; j += LANES, here <<= LANES) {
      const values x = costs_at(p, row * p->width + j, from_theta) - values_at(p->price + j);
      bits |= (x == values_all(own)) & here;
    }
    bits |= HALVES(bits);
    tight[w] = (uint64_t)(bits[0] | bits[1]);
  }
}

static void mark_cells(const problem *p, int64_t row, value own, uint64_t *tight) {
  if (p->theta) mark(p, row, own, tight, 1);
  else mark(p, row, own, tight, 0);
}

/* What a placed row pays by the prices. */
static value own_cost(const problem *p, int64_t row) {
  const int64_t col = p->col_of[row];
  return col == UNMATCHED ? p->alone[row] : cost_at(p, row, col) - p->price[col];
}

void assignment_mark_row(const problem *p, int64_t row, uint64_t *tight) {
  mark_cells(p, row, own_cost(p, row), tight);
}

/* Places a row along tight cells, breadth first; 0: there is no way. */
static int search_tight(problem *p, int64_t start) {
  uint64_t *seen = (uint64_t *)(void *)p->key;
  int64_t head = 0, tail = 0, *queue = p->done;
  memset(seen, 0, (size_t)p->words * sizeof *seen);
  queue[tail++] = start;
  while (head < tail) {
    const int64_t row = queue[head++];
    for (int64_t w = 0; w < p->words; w++) {
      uint64_t bits = p->tight[row * p->words + w] & ~seen[w];
      seen[w] |= bits;
      for (; bits; bits &= bits - 1) {
        const int64_t col = 64 * w + __builtin_ctzll(bits);
        p->from[col] = row;
        if (p->row_of[col] == UNMATCHED) return augment(p, start, col), 1;
        queue[tail++] = p->row_of[col];
      }
    }
  }
  return 0;
}

/* Places open rows along tight cells where it can, without touching prices; how many are left. */
static int64_t match_tight(problem *p, int64_t open) {
  int64_t left = 0;
  assignment_true_prices(p);
  for (int64_t i = 0; i < p->rows; i++)
    if (p->col_of[i] != UNMATCHED) assignment_mark_row(p, i, p->tight + i * p->words);
  for (int64_t k = 0; k < open; k++) {
    const int64_t row = p->open[k];
    const two_least t = p->theta ? look(p, row, 1) : look(p, row, 0);
    mark_cells(p, row, t.first, p->tight + row * p->words);
  }
  for (int64_t j = 0; j < p->cols; j++)
    if (p->row_of[j] != UNMATCHED) p->price[j] -= p->scale.half;
  for (int64_t k = 0; k < open; k++)
    if (!search_tight(p, p->open[k])) p->open[left++] = p->open[k];
  return left;
}

outcome assignment_dense(problem *p) {
  for (int64_t i = 0; i < p->rows; i++) p->col_of[i] = UNMATCHED;
  for (int64_t j = 0; j < p->width; j++) p->row_of[j] = UNMATCHED;
  int64_t tied = 0, open = reduce(p, &tied);
  if (open < 0) return IMPOSSIBLE;
  if (!p->alone && tied > 4 && tied > p->rows / MANY_TIED) open = match_tight(p, open);
  for (int64_t k = 0; k < open; k++) {
    const outcome o = search(p, p->open[k]);
    if (o != SOLVED) return o;
  }
  return SOLVED;
}

