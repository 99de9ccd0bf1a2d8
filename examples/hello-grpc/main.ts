/** The program of the image `hello-grpc`: `serve`, or `call HOST:PORT`. */
import { callEverySecond } from "./call-hello.ts";
import { createGreeter } from "./serve-hello.ts";

const PORT = 50_051;

const [command, server = ""] = process.argv.slice(2);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const ending = new AbortController();

if (command === "serve") {
  const greeter = createGreeter(process.env);
  greeter.server.listen(PORT, () => print(`Listening on port ${PORT}`));
  ending.signal.addEventListener("abort", () => greeter.stop());
} else if (command === "call" && /^[^:]+:\d+$/.test(server)) {
  void callEverySecond(server, print, ending.signal);
} else {
  process.stderr.write(`usage: main.ts serve | call HOST:PORT; got "${process.argv.slice(2).join(" ")}"\n`);
  process.exitCode = 2;
}
process.once("SIGTERM", () => ending.abort());
