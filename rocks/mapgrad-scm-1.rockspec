rockspec_format = "3.0"
package = "mapgrad"
version = "scm-1"
source = {
  url = "git+https://example.org/mapgrad.git",
  branch = "main",
}
description = {
  summary = "Discrete solvers inside gradient learning: exact solvers, I-MLE and its relatives, autograd.",
  detailed = [[
A C core (tensors, solvers, noise, estimator primitives, on OpenBLAS) behind a Lua module in which encoders,
MAP layers, target distributions and losses are composed in short scripts. Lua 5.4 and LuaJIT.]],
  license = "MIT",
  homepage = "https://example.org/mapgrad",
  labels = { "math", "machine-learning", "optimization" },
}
dependencies = {
  "lua >= 5.1, < 5.5",
  "argparse >= 0.7",
  "luafilesystem >= 1.8",
}
external_dependencies = {
  OPENBLAS = { library = "openblas" },
  PNG = { library = "png" },
  ZLIB = { library = "z" },
  ZIP = { library = "zip" },
  JANSSON = { library = "jansson" },
}
build = {
  type = "make",
  build_target = "modules",
  install_target = "install",
  build_variables = {
    CC = "$(CC)",
    LUAS = "rock",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    B = "build/rock$(LUA)",
  },
  install_variables = {
    LUAS = "rock",
    LUA = "rock",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    B = "build/rock$(LUA)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_BINDIR = "$(BINDIR)",
  },
}
test = {
  type = "command",
  script = "rocks/smoke.lua",
}
