/* cbc.so, COIN-OR CBC behind the functions of cbc.h: the one file in C++. No exception leaves it.
 *
 * The C interface of CBC cannot be stopped and takes the SIGINT handler away while it solves; the classes
 * here need neither: the linear programs are solved by dual() and primal() themselves (initialSolve is
 * what installs a handler), and two event handlers look at Ctrl-C and the clock, one at every simplex
 * iteration, one at every node and heuristic. All state is in the objects, whose random numbers start
 * from constants, so that threads may solve at once. */
#include "cbc.h"

#include <cmath>
#include <new>
#include <time.h>
#include <vector>

#include <CbcModel.hpp>

#include <CbcConfig.h>
#include <CbcCutGenerator.hpp>
#include <CbcEventHandler.hpp>
#include <CbcHeuristic.hpp>
#include <CbcHeuristicDiveVectorLength.hpp>
#include <CglClique.hpp>
#include <CglGomory.hpp>
#include <CglKnapsackCover.hpp>
#include <CglMixedIntegerRounding2.hpp>
#include <ClpEventHandler.hpp>
#include <ClpSimplex.hpp>
#include <CoinError.hpp>
#include <OsiClpSolverInterface.hpp>

namespace {

const double TOLERANCE = 1e-9; /* of bounds, rows and reduced costs */
const int SLOW_ENTRIES = 40000; /* a matrix of more has no cuts that take 100 ms without an event */

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/* Whether a solve is to end, and why. */
struct brake {
  const cbc_hooks *hooks;
  double end; /* on the clock; 0: never */
  mg_status status = MG_OK;
  bool is_late = false;

  bool is_pulled() {
    if (status == MG_OK && !is_late) {
      status = hooks->tick();
      is_late = end > 0 && now() > end;
    }
    return status != MG_OK || is_late;
  }
};

/* Stops simplex iterations. */
class simplex_events : public ClpEventHandler {
public:
  explicit simplex_events(brake *b) : brake_(b) {}
  int event(Event e) override {
    return (e == endOfIteration || e == endOfFactorization) && brake_->is_pulled() ? 0 : -1;
  }
  ClpEventHandler *clone() const override { return new simplex_events(*this); }

private:
  brake *brake_;
};

/* Stops branch and bound. */
class search_events : public CbcEventHandler {
public:
  explicit search_events(brake *b) : brake_(b) {}
  CbcAction event(CbcEvent) override { return brake_->is_pulled() ? stop : noAction; }
  CbcEventHandler *clone() const override { return new search_events(*this); }

private:
  brake *brake_;
};

/* The program as a minimisation. */
void load(OsiClpSolverInterface &lp, const cbc_program &p, const double *objective, brake *b) {
  std::vector<double> costs(static_cast<size_t>(p.variables));
  for (int j = 0; j < p.variables; j++) costs[static_cast<size_t>(j)] = -objective[j];
  CoinPackedMatrix matrix(true, p.constraints, p.variables, p.start[p.variables], p.values, p.rows,
                          p.start, nullptr);
  lp.getModelPtr()->setLogLevel(0);
  lp.messageHandler()->setLogLevel(0);
  lp.loadProblem(matrix, p.lower, p.upper, costs.data(), p.row_lower, p.row_upper);
  if (p.floor_row) {
    CoinPackedVector row;
    for (int j = 0; j < p.variables; j++)
      if (p.floor_row[j] != 0) row.insert(j, p.floor_row[j]);
    lp.addRow(row, p.floor, lp.getInfinity());
  }
  for (int j = 0; j < p.variables; j++)
    if (p.is_integer[j]) lp.setInteger(j);
  lp.setDblParam(OsiPrimalTolerance, TOLERANCE);
  lp.setDblParam(OsiDualTolerance, TOLERANCE);
  simplex_events events(b);
  lp.getModelPtr()->passInEventHandler(&events);
}

/* x, integers exact; whether all of them were integer already. */
bool take(const cbc_program &p, const double *found, double *x) {
  bool is_integral = true;
  for (int j = 0; j < p.variables; j++) {
    x[j] = found[j];
    if (!p.is_integer[j]) continue;
    x[j] = std::round(found[j]) + 0.0; /* no -0 */
    if (std::fabs(found[j] - x[j]) > TOLERANCE) is_integral = false;
  }
  return is_integral;
}

/* No probing: with it Cgl 0.60.3 cuts off optima where rows have bounds on both sides. */
void add_cuts(CbcModel &model) {
  CglGomory gomory;
  CglKnapsackCover cover;
  CglClique clique;
  clique.setStarCliqueReport(false);
  clique.setRowCliqueReport(false);
  CglMixedIntegerRounding2 rounding;
  const bool is_small = model.getNumElements() <= SLOW_ENTRIES;
  if (is_small) model.addCutGenerator(&gomory, -1, "gomory");
  model.addCutGenerator(&cover, -1, "cover");
  model.addCutGenerator(&clique, -1, "clique");
  model.addCutGenerator(&rounding, -1, "rounding");
}

void add_heuristics(CbcModel &model) {
  CbcRounding rounding(model);
  CbcHeuristicDiveVectorLength dive(model);
  model.addHeuristic(&rounding);
  model.addHeuristic(&dive);
}

/* Branch and bound from a solved relaxation. */
mg_status search(const cbc_program &p, const OsiClpSolverInterface &lp, brake *b, double *x,
                 double *bound, program_outcome *outcome) {
  CbcModel model(lp);
  search_events events(b);
  model.setLogLevel(0);
  model.solver()->messageHandler()->setLogLevel(0);
  model.passInEventHandler(&events);
  model.setDblParam(CbcModel::CbcIntegerTolerance, 1e-7);
  model.setDblParam(CbcModel::CbcAllowableGap, 0);
  model.setDblParam(CbcModel::CbcAllowableFractionGap, 0);
  model.setCutoffIncrement(1e-7);
  model.setRandomSeed(1);
  add_cuts(model);
  add_heuristics(model);
  model.branchAndBound();
  if (b->status != MG_OK) return b->status;
  const double *best = model.bestSolution();
  if (best) take(p, best, x);
  if (model.isProvenOptimal() && !b->is_late) {
    *outcome = PROGRAM_OPTIMAL;
  } else if (b->is_late) {
    *outcome = best ? PROGRAM_FEASIBLE : PROGRAM_NOTHING;
    double tree = -model.getBestPossibleObjValue(); /* the incumbent's value where it is not known */
    if (!best || tree > -model.getObjValue()) *bound = std::fmin(*bound, tree);
  } else if (!best && model.isProvenInfeasible()) {
    *outcome = PROGRAM_INFEASIBLE;
  } else {
    return b->hooks->fail(MG_BAD_ARGUMENT, "CBC gave up with status %d, %d", model.status(),
                          model.secondaryStatus());
  }
  return MG_OK;
}

/* The relaxation, by dual simplex, and from the start by primal simplex if that is at a loss. */
void relax(OsiClpSolverInterface &lp, brake *b) {
  ClpSimplex *simplex = lp.getModelPtr();
  simplex->dual();
  if (b->is_pulled() || simplex->status() == 0 || simplex->status() == 1) return;
  simplex->allSlackBasis(true);
  simplex->primal();
}

mg_status solve(const cbc_hooks *hooks, const cbc_program &p, const double *objective, double end,
                double *x, double *bound, program_outcome *outcome) {
  brake b;
  b.hooks = hooks;
  b.end = end;
  OsiClpSolverInterface lp;
  load(lp, p, objective, &b);
  *bound = INFINITY;
  relax(lp, &b);
  if (b.status != MG_OK) return b.status;
  *outcome = PROGRAM_NOTHING;
  if (b.is_late) return MG_OK;
  const ClpSimplex *simplex = lp.getModelPtr();
  if (simplex->status() == 1) return *outcome = PROGRAM_INFEASIBLE, MG_OK;
  if (simplex->status() == 2) return *outcome = PROGRAM_UNBOUNDED, MG_OK;
  if (simplex->status() != 0)
    return hooks->fail(MG_BAD_ARGUMENT, "CBC could not solve the relaxation, status %d",
                       simplex->status());
  if (take(p, simplex->primalColumnSolution(), x)) return *outcome = PROGRAM_OPTIMAL, MG_OK;
  *bound = -lp.getModelPtr()->objectiveValue();
  lp.resolve(); /* as the interface wants its state to be */
  return search(p, lp, &b, x, bound, outcome);
}

} /* namespace */

extern "C" cbc_solve_function mg_cbc_solve_with;
extern "C" cbc_version_function mg_cbc_version_with;

mg_status mg_cbc_solve_with(const cbc_hooks *hooks, const cbc_program *program,
                            const double *objective, double end, double *x, double *bound,
                            program_outcome *outcome) {
  try {
    return solve(hooks, *program, objective, end, x, bound, outcome);
  } catch (const std::bad_alloc &) {
    return hooks->fail(MG_NO_MEMORY, "CBC: out of memory");
  } catch (const CoinError &e) {
    return hooks->fail(MG_BAD_ARGUMENT, "CBC: %.200s", e.message().c_str());
  } catch (...) {
    return hooks->fail(MG_BAD_ARGUMENT, "CBC threw an exception");
  }
}

const char *mg_cbc_version_with(void) { return CBC_VERSION; }
