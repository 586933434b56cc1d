--- `mapgrad completion`: what a shell needs to complete commands and options.
-- @module mapgrad.cli.completion
local completion = {
  name = "completion", summary = "print the completions of bash, zsh or fish",
  examples = {
    { 'eval "$(mapgrad completion bash)"', "in this shell; `make install` installs them" },
    { "mapgrad completion zsh > _mapgrad", "in a folder of $fpath" },
    { "mapgrad completion fish | source" },
  },
}

local SHELLS = { "bash", "zsh", "fish" }

function completion.declare(parser)
  parser:argument("shell", "bash, zsh or fish"):choices(SHELLS)
end

function completion.run(arguments, _, cli)
  local parser, by_name = cli.new_parser()
  for _, entry in pairs(by_name) do entry.parser:description(entry.command.summary) end -- zsh and fish show it
  local text = parser[("get_%s_complete"):format(arguments.shell)](parser):gsub("\n+$", "")
  io.stdout:write(text, "\n")
  return cli.codes.ok
end

return completion
