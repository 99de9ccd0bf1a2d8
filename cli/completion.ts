import type { Command } from "./command.ts";
import type { CommandDescription } from "./command-line/command-description.ts";
import { formatBashCompletion } from "./completion/bash-completion.ts";
import { completedCommands } from "./completion/completion-model.ts";
import { formatFishCompletion } from "./completion/fish-completion.ts";
import { formatZshCompletion } from "./completion/zsh-completion.ts";
import { UsageError } from "./usage-error.ts";

const FORMATTERS = { bash: formatBashCompletion, zsh: formatZshCompletion, fish: formatFishCompletion } as const;
const SHELLS = Object.keys(FORMATTERS);

const DESCRIPTION: CommandDescription = {
  forms: [SHELLS.join("|")],
  text: `
Prints a script that completes the command line of entente in your shell.

  bash   source <(entente completion bash)                                   in ~/.bashrc
  zsh    source <(entente completion zsh)                                    in ~/.zshrc, after compinit
  fish   entente completion fish > ~/.config/fish/completions/entente.fish   once`,
  options: {},
  words: [SHELLS],
};

/** Completion for shells; the commands come from the caller, which loads them. */
export function createCompletionCommand(loadCommands: () => Promise<readonly Command[]>): Command {
  return {
    name: "completion",
    summary: "print a completion script for bash, zsh or fish",
    description: DESCRIPTION,
    run: async (args, context) => {
      const [shell = "", ...rest] = args;
      const format = shell === "bash" || shell === "zsh" || shell === "fish" ? FORMATTERS[shell] : undefined;
      if (format === undefined || rest.length > 0) {
        throw new UsageError(`the shell must be ${SHELLS.join(", ")}, got "${args.join(" ")}"`);
      }
      context.stdout(format(completedCommands(await loadCommands())));
      return 0;
    },
  };
}
