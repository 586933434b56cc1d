/* Least 1-trees by Prim's algorithm on the full matrix, cities along the lanes. */
#include "tour_tree.h"

#include <math.h>
#include <string.h>

static int width_of(int n) { return (n + TOUR_LANES - 1) / TOUR_LANES * TOUR_LANES; }

int64_t tour_tree_bytes(int n) {
  int64_t width = width_of(n), words = sizeof(double);
  return ((n + 7) * width * words) + 5 * width * (int64_t)sizeof(int32_t);
}

void tour_tree_start(tour_tree *t, int n, const double *cost, void *block) {
  int64_t width = width_of(n);
  double *at = block;
  *t = (tour_tree){.n = n, .width = (int)width, .cost = cost};
  t->weight = at, at += n * width;
  t->price = at, at += width;
  t->best_price = at, at += width;
  t->slope = at, at += width;
  t->open = at, at += width;
  t->least = at, at += width;
  t->key = at, at += width;
  t->nearest = (int64_t *)(void *)at, at += width;
  t->parent = (int32_t *)(void *)at;
  t->order = t->parent + width;
  t->depth = t->order + width;
  t->degree = t->depth + width;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < width; j++) t->weight[i * width + j] = j < n ? cost[i * n + j] : INFINITY;
  memset(t->price, 0, 3 * (size_t)width * sizeof(double));
}

/* City u joins the tree: lowers what leads to the others, returns the nearest of them. */
static int64_t join(tour_tree *t, int64_t u) {
  t->open[u] = t->least[u] = INFINITY;
  const lanes *row = (const lanes *)(const void *)(t->weight + u * t->width);
  const lanes *open = (const lanes *)(const void *)t->open;
  lanes *least = (lanes *)(void *)t->least, best = (lanes){0} + (double)INFINITY;
  masks *nearest = (masks *)(void *)t->nearest, index = {0, 1, 2, 3}, chosen = {0};
  lanes price = (lanes){0} + t->price[u];
  masks city = (masks){0} + u;
  for (int v = 0; v < t->width / TOUR_LANES; v++, index += TOUR_LANES) {
    lanes offer = row[v] + open[v] + price, old = least[v];
    masks less = offer < old;
    lanes now = (lanes)((less & (masks)offer) | (~less & (masks)old));
    nearest[v] = (less & city) | (~less & nearest[v]);
    least[v] = now;
    less = now < best;
    best = (lanes)((less & (masks)now) | (~less & (masks)best));
    chosen = (less & index) | (~less & chosen);
  }
  int at = 0;
  for (int l = 1; l < TOUR_LANES; l++)
    if (best[l] < best[at] || (best[l] == best[at] && chosen[l] < chosen[at])) at = l;
  return best[at] < INFINITY ? chosen[at] : -1;
}

/* The two lightest edges of city 0, and the weight of the third. */
static void attach_first(tour_tree *t) {
  double a = INFINITY, b = INFINITY, c = INFINITY;
  int32_t first = 1, second = 1;
  for (int32_t j = 1; j < t->n; j++) {
    double key = t->weight[j] + t->price[j] + t->price[0];
    if (key >= c) continue;
    if (key < a) c = b, b = a, second = first, a = key, first = j;
    else if (key < b) c = b, b = key, second = j;
    else c = key;
  }
  t->special[0] = first, t->special[1] = second;
  t->special_key[0] = a, t->special_key[1] = b, t->special_key[2] = c;
}

/* Adds x to a sum kept as two numbers, so that n roundings do not add up (Knuth's exact sum). */
static void add(double sum[2], double x) {
  double total = sum[0] + x, part = total - sum[0];
  sum[1] += (sum[0] - (total - part)) + (x - part);
  sum[0] = total;
}

static double value_of(const tour_tree *t) {
  double sum[2] = {0};
  add(sum, t->cost[t->special[0]]);
  add(sum, t->cost[t->special[1]]);
  for (int i = 1; i < t->n - 1; i++) {
    int32_t v = t->order[i];
    add(sum, t->cost[v * t->n + t->parent[v]]);
  }
  for (int v = 0; v < t->n; v++)
    if (t->degree[v] != 2) add(sum, (t->degree[v] - 2) * t->price[v]);
  return sum[0] + sum[1];
}

double tour_tree_make(tour_tree *t) {
  attach_first(t);
  if (!(t->special_key[1] < INFINITY)) return INFINITY;
  memset(t->degree, 0, (size_t)t->n * sizeof *t->degree);
  for (int j = 0; j < t->width; j++) t->open[j] = t->price[j], t->least[j] = INFINITY;
  t->open[0] = INFINITY;
  int64_t u = 1;
  t->order[0] = 1, t->parent[1] = -1, t->depth[1] = 0;
  for (int count = 1; count < t->n - 1; count++) {
    int64_t v = join(t, u);
    if (v < 0) return INFINITY;
    int32_t p = (int32_t)t->nearest[v];
    t->order[count] = (int32_t)v;
    t->parent[v] = p;
    t->depth[v] = t->depth[p] + 1;
    t->key[v] = t->least[v];
    t->degree[v]++;
    t->degree[p]++;
    u = v;
  }
  t->degree[0] = 2;
  t->degree[t->special[0]]++;
  t->degree[t->special[1]]++;
  return value_of(t);
}

int tour_tree_is_tour(const tour_tree *t) {
  for (int v = 0; v < t->n; v++)
    if (t->degree[v] != 2) return 0;
  return 1;
}

/* The tree is a path: from one of its ends up to the root of Prim's tree or its bend, and down. */
void tour_tree_tour(const tour_tree *t, int32_t *tour) {
  int n = t->n, front = 1, back = n - 1;
  int32_t a = t->special[0], b = t->special[1];
  tour[0] = 0;
  while (a != b) { /* the deeper end steps towards the other */
    if (t->depth[a] >= t->depth[b]) tour[front++] = a, a = t->parent[a];
    else tour[back--] = b, b = t->parent[b];
  }
  tour[front] = a;
}

void tour_tree_step(tour_tree *t, double length) {
  for (int v = 0; v < t->n; v++) {
    double slope = t->degree[v] - 2;
    t->price[v] += length * (0.7 * slope + 0.3 * t->slope[v]);
    t->slope[v] = slope;
  }
}

double tour_tree_slope_square(const tour_tree *t) {
  double sum = 0;
  for (int v = 0; v < t->n; v++) sum += (t->degree[v] - 2) * (t->degree[v] - 2);
  return sum;
}
