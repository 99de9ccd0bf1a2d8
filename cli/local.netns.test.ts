import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { containersOf, leftoversOf } from "../local/system/leftovers-fixture.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "entente-test-"));
/** Another user may yet read a checkout that lies in a folder of root's. */
const READS_ALL = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
const HTTP_ECHO = `
apiVersion: v1
kind: Pod
metadata: { name: alone, namespace: default, labels: { app: alone } }
spec:
  containers:
  - { name: app, image: wardviaene/http-echo, env: [{ name: TEXT, value: alone }], ports: [{ containerPort: 8080 }] }
`;
chmodSync(FOLDER, 0o755);
const DEAF = `
apiVersion: v1
kind: Pod
metadata: { name: deaf, namespace: default }
spec: { containers: [{ name: app, image: deaf }] }
`;
const running = new Set<ChildProcess>();

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Waits for a text in the output, or for the end. */
  until(text: string): Promise<void>;
  readonly ended: Promise<number | null>;
}

function start(args: readonly string[], wrapper: readonly string[] = []): Run {
  const [program = "", ...rest] = [...wrapper, process.execPath, "cli/main.ts", "local", ...args];
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let text = "";
  const waiting = new Set<() => void>();
  const notify = (): void => {
    for (const check of waiting) check();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      notify();
    });
  }
  const ended = once(child, "exit").then(([status]: (number | null)[]) => {
    running.delete(child);
    notify();
    return status ?? null;
  });
  const until = (wanted: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (text.includes(wanted)) resolve();
        else if (child.exitCode !== null || child.signalCode !== null)
          reject(new Error(`ended without "${wanted}":\n${text}`));
        else return;
        waiting.delete(check);
      };
      waiting.add(check);
      check();
    });
  return { child, output: () => text, until, ended };
}

async function ask(port: number): Promise<readonly [number, string]> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, {
    headers: { host: "hello-tls.example.com" },
  });
  return [statusCode, await body.text()];
}

/** Publishes the gateway at any free port; the run says at which. */
const PUBLISH = ["--publish", "0:istio-ingressgateway.istio-system:80"];

/** Where the gateway is published, as the run says. */
function portOf(run: Run): number {
  return Number(/answers on http:\/\/127\.0\.0\.1:(\d+)\//.exec(run.output())?.[1]);
}

/** A port of 127.0.0.1 on which this process listens. */
async function takePort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});
afterAll(() => {
  spawnSync(process.execPath, ["cli/main.ts", "local", "down"]);
  rmSync(FOLDER, { recursive: true, force: true });
});

describe("entente local up", () => {
  it("runs the example until Ctrl-C, and leaves nothing behind", async () => {
    const run = start(["up", "-f", "examples/hello-tls", "--keep", ...PUBLISH]);
    await run.until("Ctrl-C ends it.");
    // Proxies know of ready pods a moment after they are ready, here as in any cluster.
    await expect.poll(() => ask(portOf(run))).toEqual([200, "hello world !!!\n\n"]);
    expect(run.output()).toContain(`curl -H 'Host: hello-tls.example.com' http://127.0.0.1:${portOf(run)}/`);
    expect(run.output()).toMatch(/ns1 +hello-tls-\S+ +10\.244\.\S+ +yes/);
    expect(run.output()).toMatch(/legacy +end-tls-\S+ +10\.244\.\S+ +no/);
    run.child.kill("SIGINT");
    expect(await run.ended).toBe(0);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("interrupted while it starts, leaves nothing behind", async () => {
    const run = start(["up", "-f", "examples/hello-tls", ...PUBLISH]);
    await run.until("starting the control plane");
    run.child.kill("SIGINT");
    await run.ended;
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("does not wait for a container that ignores its end when Ctrl-C comes twice", async () => {
    writeFileSync(
      join(FOLDER, "deaf.mjs"),
      'process.on("SIGTERM", () => undefined); setInterval(() => undefined, 1000);',
    );
    writeFileSync(join(FOLDER, "pods.yaml"), DEAF);
    const run = start(["up", "-f", FOLDER, "--keep", "--image", `deaf=${join(FOLDER, "deaf.mjs")}`, ...PUBLISH]);
    await run.until("Ctrl-C ends it.");
    run.child.kill("SIGINT");
    await run.until("again to force it");
    run.child.kill("SIGINT");
    expect(await run.ended).toBe(0);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("killed, takes its containers with it, and the next run cleans up what is left", async () => {
    const run = start(["up", "-f", "examples/hello-tls", "--keep", ...PUBLISH]);
    await run.until("Ctrl-C ends it.");
    run.child.kill("SIGKILL");
    await run.ended;
    await expect.poll(() => containersOf([run.child.pid])).toEqual([]);
    // Another run that starts beside this one sweeps as well, and may be the one that finds it.
    const down = start(["down"]);
    expect(await down.ended).toBe(0);
    expect(down.output()).toMatch(/cleaned up after \d+ run|nothing was left behind/);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("that is not run as root says so and changes nothing", async () => {
    const run = start(
      ["up", "-f", "examples/hello-tls"],
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...READS_ALL],
    );
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain("needs root");
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("with its port in use says which, and leaves nothing behind", async () => {
    const { port, server } = await takePort();
    const run = start(["up", "-f", "examples/hello-tls", "--publish", `${port}:istio-ingressgateway.istio-system:80`]);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain(`port ${port} of 127.0.0.1 is in use`);
    server.close();
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it.each([
    {
      name: "an image that no program stands for",
      text: HTTP_ECHO.replace("wardviaene/http-echo", "nginx:1.27"),
      message: "--image nginx=FILE.ts",
    },
    {
      name: "a pod whose application has the proxy's user",
      text: HTTP_ECHO.replace("spec:", "spec:\n  securityContext: { runAsUser: 1337 }").replace(
        "labels: {",
        'labels: { "sidecar.istio.io/inject": "true",',
      ),
      message: "1337",
    },
    { name: "malformed YAML", text: "kind: [", message: "pods.yaml:" },
  ])("$name is refused with a reason, and leaves nothing behind", async ({ text, message }) => {
    writeFileSync(join(FOLDER, "pods.yaml"), text);
    const run = start(["up", "-f", FOLDER, ...PUBLISH]);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain(message);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });
});
