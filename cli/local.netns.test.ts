import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterAll, afterEach, describe, expect, inject, it } from "vitest";
import { RUNS_FOLDER } from "../local/run-folder.ts";
import { containersOf, leftoversOf } from "../local/system/leftovers-fixture.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "entente-test-"));
/** Lets another user read a checkout in root's home directory. */
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
const IGNORES_SIGTERM = `
apiVersion: v1
kind: Pod
metadata: { name: deaf, namespace: default }
spec: { containers: [{ name: app, image: deaf }] }
`;
/** The image's own program for the system's pods, which starts in a third of the time. One test runs the sources. */
const BUNDLED = ["--image", `entente=${inject("image")}`];
const running = new Set<ChildProcess>();

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Waits for a text in the output, or for the end of the process. */
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

async function get(port: number): Promise<readonly [number, string]> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, {
    headers: { host: "hello-tls.example.com" },
  });
  return [statusCode, await body.text()];
}

/** What `entente certs POD` prints for a pod of this machine. */
function certificatesOf(pod: string): unknown {
  const { stdout } = spawnSync(process.execPath, ["cli/main.ts", "certs", pod, "--local", "-o", "json"]);
  return JSON.parse(stdout.toString());
}

/** What `entente ca` prints, as JSON, for the mesh of a process: others may run beside it. */
function ca(run: Run, ...args: readonly string[]): unknown {
  const folder = readdirSync(RUNS_FOLDER).find((id) => id.startsWith(`${run.child.pid}s`)) ?? "";
  const mesh = ["--local", "--ca-directory", join(RUNS_FOLDER, folder, "ca"), "-o", "json"];
  const { stdout, stderr } = spawnSync(process.execPath, ["cli/main.ts", "ca", ...args, ...mesh]);
  return JSON.parse(stdout.toString() || JSON.stringify(stderr.toString()));
}

/** Publishes the gateway at any free port; the output contains the port. */
const PUBLISH = ["--publish", "0:istio-ingressgateway.istio-system:80"];

/** The published port of the gateway, from the output. */
function publishedPort(run: Run): number {
  return Number(/is at http:\/\/127\.0\.0\.1:(\d+)\//.exec(run.output())?.[1]);
}

/** A port of 127.0.0.1 on which this process listens. */
async function occupyPort(): Promise<{ readonly port: number; readonly server: Server }> {
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
    // Proxies receive the addresses of ready pods with a short delay, as in any cluster.
    await expect.poll(() => get(publishedPort(run))).toEqual([200, "hello world !!!\n\n"]);
    // The demo, whose certificates are renewed each minute, may run beside this with a pod of the same name.
    expect(certificatesOf("hello-tls")).toMatchObject({
      identity: "spiffe://cluster.local/ns/ns1/sa/default",
      chain: [{ key: "EC prime256v1" }],
    });
    await expect.poll(() => ca(run, "status")).toMatchObject({ roots: [{ isSigning: true }], problems: [] });
    const identity = ["--identity", "spiffe://cluster.local/ns/ns2/sa/default"];
    const affected = [expect.stringMatching(/^world-tls-/)];
    expect(ca(run, "revoke", ...identity)).toMatchObject({ outcome: "revoked", effect: { affected } });
    // Also the connection that hello has kept open.
    const bodies = async () => (await get(publishedPort(run)))[1];
    await expect.poll(bodies).toContain("is revoked");
    ca(run, "unrevoke", ...identity);
    await expect.poll(bodies).toBe("hello world !!!\n\n");
    expect(run.output()).toContain(`curl -H 'Host: hello-tls.example.com' http://127.0.0.1:${publishedPort(run)}/`);
    expect(run.output()).toMatch(/ns1 +hello-tls-\S+ +10\.244\.\S+ +yes/);
    expect(run.output()).toMatch(/legacy +end-tls-\S+ +10\.244\.\S+ +no/);
    run.child.kill("SIGINT");
    expect(await run.ended).toBe(0);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("leaves nothing behind when it is interrupted while it starts", async () => {
    const run = start(["up", "-f", "examples/hello-tls", ...BUNDLED, ...PUBLISH]);
    await run.until("starting the control plane");
    run.child.kill("SIGINT");
    await run.ended;
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("does not wait for a container that ignores SIGTERM after a second Ctrl-C", async () => {
    writeFileSync(
      join(FOLDER, "deaf.mjs"),
      'process.on("SIGTERM", () => undefined); setInterval(() => undefined, 1000);',
    );
    writeFileSync(join(FOLDER, "pods.yaml"), IGNORES_SIGTERM);
    const images = [...BUNDLED, "--image", `deaf=${join(FOLDER, "deaf.mjs")}`];
    const run = start(["up", "-f", FOLDER, "--keep", ...images, ...PUBLISH]);
    await run.until("Ctrl-C ends it.");
    run.child.kill("SIGINT");
    await run.until("press Ctrl-C again to force it");
    run.child.kill("SIGINT");
    expect(await run.ended).toBe(0);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("ends its containers when it is killed, and the next run cleans up the rest", async () => {
    const run = start(["up", "-f", "examples/hello-tls", "--keep", ...BUNDLED, ...PUBLISH]);
    await run.until("Ctrl-C ends it.");
    run.child.kill("SIGKILL");
    await run.ended;
    await expect.poll(() => containersOf([run.child.pid])).toEqual([]);
    // A concurrent run also cleans up, and may be first.
    const down = start(["down"]);
    expect(await down.ended).toBe(0);
    expect(down.output()).toMatch(/cleaned up after \d+ run|nothing was left behind/);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("reports that it needs root, and changes nothing", async () => {
    const run = start(
      ["up", "-f", "examples/hello-tls"],
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...READS_ALL],
    );
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain("needs root");
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it("names a port that is in use, and leaves nothing behind", async () => {
    const { port, server } = await occupyPort();
    const run = start(["up", "-f", "examples/hello-tls", "--publish", `${port}:istio-ingressgateway.istio-system:80`]);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain(`port ${port} of 127.0.0.1 is in use`);
    server.close();
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });

  it.each([
    {
      name: "an image without a program",
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
  ])("refuses $name with a reason, and leaves nothing behind", async ({ text, message }) => {
    writeFileSync(join(FOLDER, "pods.yaml"), text);
    const run = start(["up", "-f", FOLDER, ...BUNDLED, ...PUBLISH]);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain(message);
    expect(leftoversOf([run.child.pid])).toEqual([]);
  });
});
