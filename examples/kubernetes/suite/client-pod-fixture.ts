/** For the suite: a pod that sends requests, with the programs of `in-pod-*.ts`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { apply, awaitRollout, kubectl, podNames, runKubectl } from "./kubectl-fixture.ts";

/** What came back of one request. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The connection failed. */
  readonly error?: string;
}

export interface RequestJob {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly count?: number;
}

export interface GrpcJob {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly count: number;
}

/** What came back of one call of examples/hello-grpc. */
export interface GrpcReply {
  /** The grpc-status. */
  readonly status?: string;
  readonly pod?: string;
  /** What the server received as `x-forwarded-client-cert`. */
  readonly caller?: string;
  /** The connection or stream failed. */
  readonly error?: string;
}

export interface LoadJob {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadResult {
  readonly succeeded: number;
  /** Kind of failure to its count. */
  readonly failures: Readonly<Record<string, number>>;
}

/** The image's own user belongs to the proxy, so no application may have it. */
export const APPLICATION_USER = { runAsUser: 65_532, runAsGroup: 65_532 };

/** A Deployment of one pod that waits. Its image is the one under test: it contains Node. */
export async function createClient(namespace: string, name: string): Promise<ClientPod> {
  const labels = { app: name };
  const container = {
    name: "client",
    image: process.env["ENTENTE_IMAGE"],
    command: ["node", "-e", "process.once('SIGTERM', () => process.exit()); setInterval(() => {}, 1e9)"],
    securityContext: APPLICATION_USER,
  };
  await apply([
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
  ]);
  await awaitRollout(namespace, name);
  return new ClientPod(namespace, name);
}

export class ClientPod {
  readonly #namespace: string;
  readonly #name: string;

  constructor(namespace: string, name: string) {
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Sends one request. */
  async send(job: RequestJob): Promise<Reply> {
    const [reply] = await this.sendAll(job);
    return reply ?? { error: "the program in the pod printed nothing" };
  }

  async sendAll(job: RequestJob): Promise<readonly Reply[]> {
    return parseLines(await kubectl(await this.#exec("send-requests.ts", job)));
  }

  /** Makes gRPC calls on one connection. */
  async callGrpc(job: GrpcJob): Promise<readonly GrpcReply[]> {
    return parseLines(await kubectl(await this.#exec("call-grpc.ts", job)));
  }

  /** Sends requests on kept and on new connections while `work` runs. */
  async loadWhile(job: LoadJob, work: () => Promise<void>): Promise<LoadResult> {
    const args = await this.#exec("send-load.ts", { kept: 6, fresh: 3, pauseMs: 15, ...job });
    const child = spawn("kubectl", args, { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    const started = new Promise<void>((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.startsWith("sending")) resolve();
      });
    });
    const closed = once(child, "close");
    try {
      await Promise.race([started, closed]);
      await work();
    } finally {
      child.stdin.end();
      await closed;
    }
    const result: LoadResult = JSON.parse(output.trim().split("\n").at(-1) ?? "");
    return result;
  }

  /** Runs a command; returns its output with its status. */
  async run(...command: readonly string[]) {
    return await runKubectl(["exec", "-n", this.#namespace, await this.#pod(), "-c", "client", "--", ...command]);
  }

  async #pod(): Promise<string> {
    const [pod] = await podNames(this.#namespace, `app=${this.#name}`);
    if (pod === undefined) throw new Error(`no pod app=${this.#name} in ${this.#namespace}`);
    return pod;
  }

  async #exec(program: string, job: object): Promise<readonly string[]> {
    const source = readFileSync(fileURLToPath(new URL(`in-pod-${program}`, import.meta.url)), "utf8");
    const node = ["node", "--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", source];
    const pod = await this.#pod();
    return ["exec", "-i", "-n", this.#namespace, pod, "-c", "client", "--", ...node, JSON.stringify(job)];
  }
}

function parseLines<Value>(output: string): readonly Value[] {
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}
