import { access } from "node:fs/promises";
import type { Finding } from "../checks/check.ts";
import { fieldOf, parseJson, textOf } from "../checks/json-fields.ts";
import type { DemoPace } from "../demo-pace.ts";
import type { DemoPod } from "../pods/demo-pod.ts";
import { inPodCommand } from "../pods/probe.ts";
import { pollUntil } from "../poll-until.ts";

/** What a program in a pod is to hold open. */
export interface StreamJob {
  readonly host: string;
  readonly port: number;
  /** A file that the program makes once its stream has carried a message in each direction. */
  readonly openedFile: string;
  /** It gives up after this time. */
  readonly timeoutMs: number;
}

export interface StreamReport {
  /** Milliseconds since 1970; 0: it was still open when the time was over. */
  readonly endedAtMs: number;
  /** How it ended. */
  readonly reason: string;
}

export interface OpenStream {
  /** Whether the stream was open in time. */
  readonly isOpen: boolean;
  readonly ended: Promise<StreamReport>;
}

const PROGRAM = new URL("../pods/in-pod-open-stream.ts", import.meta.url);

/** Opens a stream from inside a pod, and resolves once it carries messages. */
export async function openStreamFromPod(pod: DemoPod, job: StreamJob, signal: AbortSignal): Promise<OpenStream> {
  const ended = pod.exec(inPodCommand(PROGRAM, job), { signal }).then(({ stdout }) => parseReport(stdout));
  const { isReached } = await pollUntil(
    () => exists(job.openedFile),
    (isThere) => isThere,
    { everyMs: 20, timeoutMs: job.timeoutMs, signal },
  );
  return { isOpen: isReached, ended };
}

/** The change that a stream should end by: when it began, and when it was made. Both in milliseconds since 1970. */
export interface StreamEnder {
  readonly begunAtMs: number;
  readonly madeAtMs: number;
  readonly pace: DemoPace;
}

/** That the stream was open until the change, and not for long after it. */
export async function judgeStreamEnd(
  claim: string,
  { isOpen, ended }: OpenStream,
  { begunAtMs, madeAtMs, pace: { inForceMs } }: StreamEnder,
): Promise<Finding> {
  const { endedAtMs, reason } = await ended;
  const hasEnded = endedAtMs !== 0;
  const afterMs = Math.max(0, endedAtMs - madeAtMs);
  const end = hasEnded ? `${reason} after ${afterMs} ms` : "it is still open";
  return {
    claim,
    passed: isOpen && hasEnded && endedAtMs >= begunAtMs && afterMs <= inForceMs,
    expected: `an open stream that ends within ${inForceMs} ms of the change`,
    seen: isOpen ? end : "no stream",
  };
}

function parseReport(text: string): StreamReport {
  const report = parseJson(text);
  const endedAtMs = fieldOf(report, "endedAtMs");
  return { endedAtMs: typeof endedAtMs === "number" ? endedAtMs : 0, reason: textOf(report, "reason") };
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
