import { fieldOf, listOf, parseJson, textOf } from "../checks/json-fields.ts";
import type { DemoPod } from "../pods/demo-pod.ts";
import { inPodCommand } from "../pods/probe.ts";

/** What a program in a pod is to call. */
export interface GrpcJob {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  /** How many unary calls; a conversation follows them. */
  readonly calls: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface GrpcReport {
  /** How many TCP connections the client opened. */
  readonly connections: number;
  /** The pod that responded to each call, and what it received as `x-forwarded-client-cert`. */
  readonly responses: readonly { readonly pod: string; readonly caller: string }[];
  /** The conversation's responses. */
  readonly greetings: readonly string[];
  /** One line for each failed call. */
  readonly failures: readonly string[];
}

const PROGRAM = new URL("../pods/in-pod-grpc-calls.ts", import.meta.url);

/** Calls the service from inside a pod. Throws if the program did not run. */
export async function callFromPod(pod: DemoPod, job: GrpcJob): Promise<GrpcReport> {
  const { stdout, stderr, status } = await pod.exec(inPodCommand(PROGRAM, job));
  const report = parseJson(stdout);
  const connections = fieldOf(report, "connections");
  if (typeof connections !== "number") {
    throw new Error(`the calls from ${pod.label} did not run (status ${status}): ${stderr.trim().slice(-300)}`);
  }
  return {
    connections,
    responses: listOf(report, "responses").map((response) => ({
      pod: textOf(response, "pod"),
      caller: textOf(response, "caller"),
    })),
    greetings: listOf(report, "greetings").map(String),
    failures: listOf(report, "failures").map(String),
  };
}

/** `pod 3, other 2`, in the order of the pods' names. */
export function formatShares({ responses }: Pick<GrpcReport, "responses">): string {
  const shares = Object.entries(Object.groupBy(responses, ({ pod }) => pod)).map(
    ([pod, ofPod]) => `${pod} ${ofPod?.length ?? 0}`,
  );
  return shares.sort().join(", ");
}
