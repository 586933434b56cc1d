#!/bin/sh
# run.sh: all benchmarks whose line contains ONLY, one JSON line each. PEERS=1: after each dense workload the same in
# PyTorch, where ../shared/peers and Debian's python3-torch are there. compare.py of that folder makes ratios.
set -u
ONLY=${ONLY:-}
top=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$top" || exit 1

# in_lua LUA: sets the module's paths
in_lua() {
  lua=$1
  LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;" LUA_CPATH="build/$lua/?.so;;"
  MAPGRAD_IMPL=mapgrad-$lua
  export LUA_PATH LUA_CPATH MAPGRAD_IMPL
}

# peer WORKLOAD N BATCH THREADS [VARIANT]
peer() {
  [ -n "${PEERS:-}" ] && [ -f ../shared/peers/bench_torch.py ] || return 0
  case "$1" in
    cnn) torch "$@" step; torch "$1" "$2" "$3" "$4" step-cl ;;
    smallcnn|mlp|conv3|chain|ew|rng|softmax) torch "$@" ;;
  esac
}

torch() {
  (cd ../shared/peers && /usr/bin/python3 bench_torch.py "$1" --n "$2" --batch "$3" --threads "$4" \
    ${5:+--variant "$5"})
}

while read -r lua work; do
  case "$lua $work" in ''|\#*) continue ;; *"$ONLY"*) ;; *) continue ;; esac
  in_lua "$lua"
  # shellcheck disable=SC2086
  case "$work" in
    startup*) "$lua" tests/bench/startup.lua "$lua" ${work#startup} ;;
    mpi_*) ranks=${work##* } # the last word, after an entry's own
      command -v mpirun >/dev/null || continue
      OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n "$ranks" \
        "$lua" tests/bench/entry.lua ${work% *} </dev/null ;;
    *) "$lua" tests/bench/entry.lua $work; peer $work ;;
  esac
done <<'LIST'
luajit grid_sp 12 70 1
luajit grid_sp 12 70 2
luajit grid_sp 12 1000 1
luajit grid_sp 12 1000 2
luajit grid_sp 12 70 1 warcraft
luajit grid_sp 18 70 1
luajit grid_sp 18 1000 1
luajit grid_sp 24 70 1
luajit grid_sp 24 1000 1
luajit grid_sp 30 70 1
luajit grid_sp 30 1000 1
luajit grid_sp 30 1000 2
luajit grid_sp 100 1 1
luajit grid_sp 100 70 1
luajit grid_sp 1000 1 1
luajit mcf 20 70 1
luajit mcf 100 70 1
luajit mcf 1000 4 1
luajit mcf 10000 1 1
luajit topk 10 1000 1
luajit topk 100 1000 1
luajit topk 1000 1000 1
luajit topk 100000 70 1
luajit rank 10 1000 1
luajit rank 100 1000 1
luajit rank 1000 1000 1
luajit rank 100000 70 1
luajit mst 12 70 1 grid4
luajit mst 30 70 1 grid4
luajit mst 100 70 1 grid4
luajit mst 50 70 1 complete
luajit mst 200 70 1 complete
luajit mst 1000 1 1 complete
luajit arborescence 100 70 1
luajit arborescence 1000 1 1
luajit knapsack 10 70 1
luajit knapsack 50 70 1
luajit knapsack 100 70 1
luajit knapsack 1000 1 1
luajit tsp 8 1000 1
luajit tsp 10 1000 1
luajit tsp 12 70 1
luajit tsp 15 70 1
luajit tsp 20 16 1
luajit tsp 40 4 1
luajit viterbi 100 70 1
luajit schedule 1000 70 1
luajit graph_matching 8 10 1
luajit knapsack 100 1000 2
luajit tsp 12 1000 2
luajit lap 50 1000 2
luajit matching 144 70 2
luajit mst 30 1000 2
luajit topk 1000 1000 2
luajit rank 1000 1000 2
luajit knapsack_ilp 50 10 1
luajit knapsack_ilp 50 10 2
luajit lap 10 1000 1
luajit lap 50 70 1
luajit lap 50 70 1 geom
luajit lap 50 70 1 int
luajit lap 200 70 1
luajit lap 200 70 1 geom
luajit lap 200 70 1 int
luajit lap 1000 1 1
luajit lap 1000 1 1 geom
luajit lap 1000 1 1 int
luajit lap 2000 1 1
luajit lap 2000 1 1 geom
luajit lap 2000 1 1 int
luajit matching 16 70 1
luajit matching 144 70 1
luajit matching 400 70 1
luajit matching 64 1 1 complete
luajit matching 256 1 1 complete
luajit matching 400 1 1 complete
luajit imle_grid 12 70 1 1
luajit imle_grid 12 70 1 1t
luajit imle_grid 12 70 1 10
luajit imle_grid 12 70 1 10t
luajit imle_topk 100 100 1 1
luajit imle_topk 100 100 1 1t
luajit imle_topk 100 100 1 10
luajit imle_topk 100 100 1 10t
luajit imle_topk 100 100 1 100
luajit bb_grid 12 70 1
luajit bb_grid 30 70 1
lua5.4 chain 10 1 1
luajit chain 10 1 1
lua5.4 chain 10 1 1 nograd
luajit chain 10 1 1 nograd
luajit cnn 12 70 1
luajit cnn 12 70 2
luajit smallcnn 12 50 1
luajit smallcnn 12 50 2
luajit mlp 784 100 1
luajit mlp 784 100 2
luajit train_grid 500 50 1 small-imle
luajit train_grid 500 50 2 small-imle
luajit train_grid 500 50 2 small-bb
luajit train_grid 500 50 1 comb-imle
luajit mpi_step 30 70 1 step 1
luajit mpi_step 30 70 1 step 2
luajit mpi_step 30 70 1 ordered 1
luajit mpi_step 30 70 1 ordered 2
luajit mpi_step 30 70 1 message 2
luajit conv3 24 70 1 fwd
luajit conv3 24 70 1
luajit conv3 24 70 2
luajit softmax 400 100 1
luajit ew 1000000 1 1 exp
luajit ew 1000000 1 1 log
luajit ew 1000000 1 1 tanh
luajit ew 1000000 1 1 sigmoid
luajit rng 1000000 1 1 uniform
luajit rng 1000000 1 1 normal
luajit rng 1000000 1 1 gumbel
luajit rng 1000000 1 1 exponential
luajit sog 400 100 1
luajit sog 400 100 1 tabled
lua5.4 startup require
luajit startup require
lua5.4 startup gradient
luajit startup gradient
LIST
