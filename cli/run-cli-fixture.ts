/** For tests: runs the command line in this process. */
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { runCli } from "./run-cli.ts";

export async function runForTest(...argv: readonly string[]) {
  const output = { stdout: "", stderr: "" };
  const status = await runCli(argv, {
    env: {},
    stdout: (text) => {
      output.stdout += text;
    },
    stderr: (text) => {
      output.stderr += text;
    },
    log: new RecordingLogger(),
    isTerminal: false,
    signal: new AbortController().signal,
  });
  return { status, ...output };
}
