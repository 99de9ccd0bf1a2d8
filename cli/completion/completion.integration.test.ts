import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommandDescription } from "../command-line/command-description.ts";
import { formatBashCompletion } from "./bash-completion.ts";
import { completedCommands } from "./completion-model.ts";
import { formatFishCompletion } from "./fish-completion.ts";
import { formatZshCompletion } from "./zsh-completion.ts";

const RUN: CommandDescription = {
  forms: ["up|down"],
  text: "",
  options: {
    file: { type: "string", short: "f", value: "FILE", multiple: true, help: "a file: [its] name, 'quoted' $HOME" },
    folder: { type: "string", value: "FOLDER", help: "a folder" },
    output: { type: "string", short: "o", choices: ["json", "text"], help: "the form" },
    name: { type: "string", value: "NAME", help: "any name" },
    quiet: { type: "boolean", help: "print less" },
  },
  words: [["up", "down"]],
};
const PLAIN: CommandDescription = { forms: [""], text: "", options: {} };

const commands = completedCommands([
  { name: "run", summary: "run it: now", description: RUN },
  { name: "rest", summary: "stop", description: PLAIN },
]);

/** The words before the cursor, the last one unfinished, and what must be offered. */
const CASES: readonly { readonly line: readonly string[]; readonly offered: readonly string[] }[] = [
  { line: ["r"], offered: ["rest", "run"] },
  { line: ["run", ""], offered: ["down", "up"] },
  { line: ["run", "u"], offered: ["up"] },
  { line: ["run", "--quiet", "d"], offered: ["down"] },
  { line: ["run", "--name", "x", "d"], offered: ["down"] },
  { line: ["run", "--o"], offered: ["--output"] },
  { line: ["run", "--output", ""], offered: ["json", "text"] },
  { line: ["run", "-o", "j"], offered: ["json"] },
  { line: ["run", "-f", "a"], offered: ["alpha.yaml", "apart/"] },
  { line: ["run", "--folder", "a"], offered: ["apart/"] },
];

const folder = mkdtempSync(join(tmpdir(), "entente-completion-"));

beforeAll(() => {
  mkdirSync(join(folder, "apart"));
  writeFileSync(join(folder, "alpha.yaml"), "");
  writeFileSync(join(folder, "entente.bash"), formatBashCompletion(commands));
  writeFileSync(join(folder, "entente.fish"), formatFishCompletion(commands));
  writeFileSync(join(folder, "_entente"), formatZshCompletion(commands));
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(program: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    input,
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return stdout;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"]).error === undefined;
}

/** bash has no command that completes a line: the function is called as readline does. */
function completeInBash(words: readonly string[]): readonly string[] {
  const script = `source ./entente.bash
    COMP_WORDS=(entente ${words.map((word) => JSON.stringify(word)).join(" ")}); COMP_CWORD=${words.length}
    _entente; for reply in "\${COMPREPLY[@]}"; do if [[ -d $reply ]]; then echo "$reply/"; else echo "$reply"; fi; done`;
  return lines(run("bash", ["--norc", "-c", script]));
}

function completeInFish(words: readonly string[]): readonly string[] {
  const script = `source entente.fish; complete -C ${JSON.stringify(["entente", ...words].join(" "))}`;
  return lines(run("fish", ["--no-config", "-c", script])).map((line) => line.split("\t")[0] ?? "");
}

/** zsh completes only in a terminal: in a pseudo terminal, where compadd, which takes the matches, prints them. */
const ZSH_SETUP = `
  PROMPT=; unsetopt zle_bracketed_paste; fpath=($PWD $fpath); autoload -U compinit; compinit -D -u
  compadd() {
    local -a found
    [[ " $* " == *" -"[OAD]" "* ]] || builtin compadd -O found "$@"
    for match in $found; do if [[ -d $match ]]; then print -r "OFFERED $match/"; else print -r "OFFERED $match"; fi; done
    builtin compadd "$@"
  }
  finish() { print COMPLETED; exit }
  zle -N finish; bindkey '^X' finish; bindkey '^I' complete-word; print READY
`;

function completeInZsh(words: readonly string[]): readonly string[] {
  writeFileSync(join(folder, "setup.zsh"), ZSH_SETUP);
  const script = `zmodload zsh/zpty; zpty child zsh -f -i; zpty -w child 'source ./setup.zsh'
    zpty -r -m child text '*READY*'; zpty -n -w child ${JSON.stringify(["entente", ...words].join(" "))}$'\\t\\x18'
    zpty -r -m child text '*COMPLETED*'; print -r -- $text`;
  const printed = run("zsh", ["-f", "-c", script]).matchAll(/OFFERED (\S+)/g);
  return [...new Set([...printed].map(([, match = ""]) => match))].sort();
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

describe.runIf(isInstalled("bash"))("completion in bash", () => {
  it.each(CASES)("offers $offered after $line", ({ line, offered }) => {
    expect(completeInBash(line)).toEqual(offered);
  });

  it("offers the values of an option that is joined by an equals sign", () => {
    expect(completeInBash(["run", "--output", "=", "t"])).toEqual(["text"]);
  });
});

describe.runIf(isInstalled("fish"))("completion in fish", () => {
  it.each(CASES)("offers $offered after $line", ({ line, offered }) => {
    expect(completeInFish(line)).toEqual(offered);
  });
});

describe.runIf(isInstalled("zsh"))("completion in zsh", () => {
  it.each(CASES)("offers $offered after $line", ({ line, offered }) => {
    expect(completeInZsh(line)).toEqual(offered);
  });
});
