/** For the suite: a pod that sends requests, with the programs of `in-pod-*.ts`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
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
  /** Between two requests of one of the nine connections. @default 15 */
  readonly pauseMs?: number;
}

export interface LoadResult {
  readonly succeeded: number;
  /** Kind of failure to its count. */
  readonly failures: Readonly<Record<string, number>>;
}

/** What a client holds open at a server of `heldServer`. */
export interface HoldJob {
  readonly kind: "request" | "grpc" | "tcp";
  readonly host: string;
  readonly port: number;
  /** A TCP stream of a client without a sidecar is sent in mutual TLS with this certificate, PEM. @default plaintext */
  readonly certificate?: string;
  /** PEM. */
  readonly key?: string;
}

export interface HeldExchange {
  /** Whether its server began to send. */
  readonly isOpen: boolean;
  /** How it ended: an error's code, `end of stream`, `grpc-status N`, or `stopped` by `stop`. */
  readonly ended: Promise<string>;
  readonly stop: () => void;
}

/** The image's own user belongs to the proxy, so no application may have it. */
export const APPLICATION_USER = { runAsUser: 65_532, runAsGroup: 65_532 };

/** A Deployment of one pod that waits. Its image is the one under test: it contains Node. */
export function clientDeployment(namespace: string, name: string): KubernetesObject {
  const labels = { app: name };
  const container = {
    name: "client",
    image: process.env["ENTENTE_IMAGE"],
    command: ["node", "-e", "process.once('SIGTERM', () => process.exit()); setInterval(() => {}, 1e9)"],
    securityContext: APPLICATION_USER,
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
}

/** Creates `clientDeployment`; resolves when its pod is ready. */
export async function createClient(namespace: string, name: string): Promise<ClientPod> {
  await apply([clientDeployment(namespace, name)]);
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
    const { begun, ended, stop } = await this.#start("send-load.ts", { kept: 6, fresh: 3, pauseMs: 15, ...job });
    try {
      await begun;
      await work();
    } finally {
      stop();
      await ended;
    }
    const result: LoadResult = JSON.parse(await ended);
    return result;
  }

  /** Opens a request or a stream that its server does not end; resolves when the first bytes have come back, or it is over. */
  async hold(job: HoldJob): Promise<HeldExchange> {
    const { begun, ended, stop } = await this.#start("hold-open.ts", job);
    const isOpen = (await begun) === "open";
    return { isOpen, stop, ended: ended.then(parseReason) };
  }

  /** Starts a program that prints a line when it is at work, and a last one when its input or its work has ended. */
  async #start(program: string, job: object) {
    const child = spawn("kubectl", await this.#exec(program, job), { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => undefined);
    let output = "";
    const begun = new Promise<string>((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes("\n")) resolve(output.split("\n", 1).join());
      });
      child.once("close", () => resolve(""));
    });
    const closed = once(child, "close");
    return {
      begun,
      ended: closed.then(() => output.trim().split("\n").at(-1) ?? ""),
      stop: () => void child.stdin.end(),
    };
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

function parseReason(line: string): string {
  return line === "" ? "the program in the pod printed nothing" : String(JSON.parse(line).reason);
}

function parseLines<Value>(output: string): readonly Value[] {
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}
