/* The lexicographically smallest of all optimal assignments.
 *
 * They are those made of tight cells. Say row s points to row t if s may take the column of t; one
 * further node, nobody, holds the columns without a row and the place of a row without a column. Then
 * two assignments differ by cycles. Rows on no cycle are the same in all of them: in most problems
 * without ties that is every row, which a topological order shows. The others get, from the first row
 * on, the smallest column whose holder reaches the row; that path is looked for from both ends. */
#include "assignment.h"
#include "base/interrupt.h"

enum { TICK_STEPS = 1 << 14 };

typedef struct graph {
  ties *t;
  int64_t nobody, columns; /* the node after the rows; words of a column's rows */
  uint64_t *rows_of;       /* [cols, columns] tight, by columns */
  int64_t *mark, *next;    /* [rows + 1] the row whose backward search met a node, and the way on */
  int64_t *seen, *before;  /* the same of forward searches */
  int64_t *queue, *path;   /* [rows + 1]; counts of arrows in the topological order */
  unsigned char *fixed;    /* [rows + 1] */
  int64_t head, tail, steps;
} graph;

static int64_t words_of(int64_t bits) { return (bits + 63) / 64; }

int64_t assignment_ties_bytes(int64_t rows, int64_t cols) {
  return (cols * words_of(rows) + 7 * (rows + 1)) * (int64_t)sizeof(int64_t) + 64;
}

static graph split(ties *t) {
  graph g = {.t = t, .nobody = t->rows, .columns = words_of(t->rows)};
  int64_t *at = t->work, nodes = t->rows + 1;
  int64_t **parts[] = {&g.mark, &g.next, &g.seen, &g.before, &g.queue, &g.path};
  for (int i = 0; i < 6; i++, at += nodes) *parts[i] = at;
  g.fixed = (unsigned char *)at;
  g.rows_of = (uint64_t *)(at + nodes);
  return g;
}

/* Whether row s may leave its column for one that nobody has, or for none. */
static int leads_to_nobody(const ties *t, int64_t s) {
  if (t->free_row[s] && t->col_of[s] != UNMATCHED) return 1;
  for (int64_t w = 0; w < t->words; w++)
    for (uint64_t bits = t->tight[s * t->words + w]; bits; bits &= bits - 1)
      if (t->row_of[64 * w + __builtin_ctzll(bits)] == UNMATCHED) return 1;
  return 0;
}

/* Whether nobody may take what row s has. */
static int leads_from_nobody(const ties *t, int64_t s) {
  return t->col_of[s] == UNMATCHED || t->free_col[t->col_of[s]];
}

/* Adds `sign` to the counts of arrows into the nodes that s points to; those at 0 join the queue. */
static void count_arrows(graph *g, int64_t s, int64_t *count, int sign) {
  const ties *t = g->t;
  if (s == g->nobody) {
    for (int64_t r = 0; r < t->rows; r++)
      if (leads_from_nobody(t, r) && (count[r] += sign) == 0 && sign < 0) g->queue[g->tail++] = r;
    return;
  }
  for (int64_t w = 0; w < t->words; w++)
    for (uint64_t bits = t->tight[s * t->words + w]; bits; bits &= bits - 1) {
      const int64_t r = t->row_of[64 * w + __builtin_ctzll(bits)];
      if (r == s || r == UNMATCHED) continue;
      if ((count[r] += sign) == 0 && sign < 0) g->queue[g->tail++] = r;
    }
  if (!t->is_perfect && leads_to_nobody(t, s) && (count[g->nobody] += sign) == 0 && sign < 0)
    g->queue[g->tail++] = g->nobody;
}

/* Fixes the nodes that come before all cycles; how many nodes are left. */
static int64_t fix_forced(graph *g) {
  int64_t *count = g->path, nodes = g->nobody + 1;
  for (int64_t s = 0; s < nodes; s++) count[s] = g->fixed[s] = 0;
  for (int64_t s = 0; s < nodes; s++) count_arrows(g, s, count, 1);
  g->head = g->tail = 0;
  for (int64_t s = 0; s < nodes; s++)
    if (count[s] == 0) g->queue[g->tail++] = s;
  while (g->head < g->tail) {
    const int64_t s = g->queue[g->head++];
    g->fixed[s] = 1;
    count_arrows(g, s, count, -1);
  }
  return nodes - g->tail;
}

static void turn(graph *g) {
  const ties *t = g->t;
  memset(g->rows_of, 0, (size_t)(t->cols * g->columns) * sizeof *g->rows_of);
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t w = 0; w < t->words; w++)
      for (uint64_t bits = t->tight[r * t->words + w]; bits; bits &= bits - 1) {
        const int64_t c = 64 * w + __builtin_ctzll(bits);
        g->rows_of[c * g->columns + r / 64] |= (uint64_t)1 << r % 64;
      }
}

static void meet(graph *g, int64_t s, int64_t onward, int64_t goal) {
  if (g->fixed[s] || g->mark[s] == goal) return;
  g->mark[s] = goal;
  g->next[s] = onward;
  g->queue[g->tail++] = s;
}

/* Marks nodes that reach the goal, nearest first, as many as the root of all: then either half has
 * about as much to do. 1 if these are all. */
static int search_back(graph *g, int64_t goal) {
  const ties *t = g->t;
  g->head = g->tail = 0;
  meet(g, goal, goal, goal);
  while (g->tail * g->tail <= g->nobody && g->head < g->tail) {
    const int64_t s = g->queue[g->head++];
    g->steps += g->columns;
    if (s == g->nobody) {
      for (int64_t r = 0; r < t->rows; r++)
        if (leads_to_nobody(t, r)) meet(g, r, s, goal);
      continue;
    }
    const int64_t col = t->col_of[s];
    for (int64_t w = 0; col != UNMATCHED && w < g->columns; w++)
      for (uint64_t bits = g->rows_of[col * g->columns + w]; bits; bits &= bits - 1)
        meet(g, 64 * w + __builtin_ctzll(bits), s, goal);
    if (!t->is_perfect && leads_from_nobody(t, s)) meet(g, g->nobody, s, goal);
  }
  return g->head == g->tail;
}

/* Notes that s is reached; 1 if it is marked: the searches met. */
static int reach(graph *g, int64_t s, int64_t from, int64_t goal) {
  if (g->fixed[s] || g->seen[s] == goal) return 0;
  g->seen[s] = goal;
  g->before[s] = from;
  g->queue[g->tail++] = s;
  return g->mark[s] == goal;
}

/* The arrows of s; the marked node among their ends, or -1. */
static int64_t step_on(graph *g, int64_t s, int64_t goal) {
  const ties *t = g->t;
  if (s == g->nobody) {
    for (int64_t r = 0; r < t->rows; r++)
      if (leads_from_nobody(t, r) && reach(g, r, s, goal)) return r;
    return -1;
  }
  g->steps += t->words;
  for (int64_t w = 0; w < t->words; w++)
    for (uint64_t bits = t->tight[s * t->words + w]; bits; bits &= bits - 1) {
      const int64_t r = t->row_of[64 * w + __builtin_ctzll(bits)];
      if (r != UNMATCHED && reach(g, r, s, goal)) return r;
    }
  return !t->is_perfect && leads_to_nobody(t, s) && reach(g, g->nobody, s, goal) ? g->nobody : -1;
}

/* A way from a node to the goal in path; its length, 0: there is none. `complete`: all nodes that
 * reach the goal are marked. Nodes of searches that failed are not looked at again. */
static int64_t find_path(graph *g, int64_t from, int64_t goal, int complete) {
  int64_t met = -1, length = 0;
  if (g->mark[from] == goal) {
    g->before[from] = -1;
    met = from;
  } else if (complete) {
    return 0;
  } else {
    g->head = g->tail = 0;
    reach(g, from, -1, goal);
    while (met < 0 && g->head < g->tail) met = step_on(g, g->queue[g->head++], goal);
  }
  if (met < 0) return 0;
  for (int64_t s = met; s >= 0; s = g->before[s]) g->path[length++] = s;
  for (int64_t i = 0; i < length / 2; i++) {
    const int64_t other = g->path[i];
    g->path[i] = g->path[length - 1 - i];
    g->path[length - 1 - i] = other;
  }
  for (int64_t s = met; s != goal; s = g->next[s]) g->path[length++] = g->next[s];
  return length;
}

/* Gives s what the node after it in the path has. */
static void inherit(graph *g, int64_t s, int64_t onward) {
  ties *t = g->t;
  int64_t col = UNMATCHED;
  if (onward != g->nobody) {
    col = t->col_of[onward];
  } else {
    for (int64_t c = 0; col == UNMATCHED && c < t->cols; c++)
      if (t->row_of[c] == UNMATCHED && t->tight[s * t->words + c / 64] >> c % 64 & 1) col = c;
  }
  if (s != g->nobody) t->col_of[s] = col;
  if (col != UNMATCHED) t->row_of[col] = s == g->nobody ? UNMATCHED : s;
}

/* Gives row r its smallest possible column. */
static void improve(graph *g, int64_t r) {
  ties *t = g->t;
  const int64_t own = t->col_of[r] == UNMATCHED ? t->cols : t->col_of[r];
  int searched = 0, complete = 0;
  for (int64_t w = 0; 64 * w < own; w++)
    for (uint64_t bits = t->tight[r * t->words + w]; bits; bits &= bits - 1) {
      const int64_t c = 64 * w + __builtin_ctzll(bits);
      const int64_t holder = c < own ? t->row_of[c] == UNMATCHED ? g->nobody : t->row_of[c] : r;
      if (c >= own) return;
      if (g->fixed[holder]) continue;
      if (!searched) complete = search_back(g, r);
      searched = 1;
      const int64_t length = find_path(g, holder, r, complete);
      if (length == 0) continue;
      for (int64_t i = 0; i + 1 < length; i++) inherit(g, g->path[i], g->path[i + 1]);
      t->col_of[r] = c;
      t->row_of[c] = r;
      return;
    }
}

mg_status assignment_break_ties(ties *t) {
  graph g = split(t);
  if (fix_forced(&g) == 0) return MG_OK;
  turn(&g);
  for (int64_t s = 0; s <= g.nobody; s++) g.mark[s] = g.seen[s] = -1;
  for (int64_t r = 0; r < t->rows; r++) {
    if (g.fixed[r]) continue;
    improve(&g, r);
    g.fixed[r] = 1;
    if (g.steps > TICK_STEPS) {
      g.steps = 0;
      const mg_status status = interrupt_tick();
      if (status != MG_OK) return status;
    }
  }
  return MG_OK;
}
