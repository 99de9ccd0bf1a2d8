import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterEach, expect, it } from "vitest";
import { createGreeter, type Greeter } from "../../hello-grpc/serve-hello.ts";

const SOURCE = readFileSync(new URL("in-pod-call-grpc.ts", import.meta.url), "utf8");
const run = promisify(execFile);
let greeter: Greeter | undefined;
afterEach(() => greeter?.stop());

/** As the suite starts it in a pod. */
async function call(job: object): Promise<readonly unknown[]> {
  const args = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", SOURCE];
  const { stdout } = await run(process.execPath, [...args, JSON.stringify(job)]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

it("the program of the suite reads what hello-grpc responds, long identities included", async () => {
  greeter = createGreeter({ TEXT: "hello", HOSTNAME: "greeter-1" });
  greeter.server.listen(0, "127.0.0.1");
  await once(greeter.server, "listening");
  const address = greeter.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const identity = `By=spiffe://x;Hash=${"0".repeat(200)};URI=spiffe://y`;
  const headers = { "x-forwarded-client-cert": identity };
  const reply = { status: "0", text: "hello x", pod: "greeter-1", caller: identity };
  expect(await call({ url: `http://127.0.0.1:${port}`, headers, count: 2 })).toEqual([reply, reply]);
  expect(await call({ url: "http://127.0.0.1:1", count: 1 })).toEqual([{ error: "ECONNREFUSED" }]);
});
