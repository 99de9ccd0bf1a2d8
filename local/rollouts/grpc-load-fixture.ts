/** For tests: calls of a gRPC service that run in a pod while others are replaced. */
import { fileURLToPath } from "node:url";
import type { LocalPod } from "../pods/local-pod.ts";
import { startProgram } from "./load-fixture.ts";

export interface GrpcLoadJob {
  readonly url: string;
  /** How many clients make unary calls, one after the other. */
  readonly clients: number;
  /** How many hold a stream in both directions. */
  readonly streams: number;
  readonly pauseMs: number;
  /**
   * What clients call again, once. A client whose own connection receives GOAWAY may have begun a call just before it
   * knew, which is refused unprocessed (RFC 9113 §8.7); gRPC's own clients repeat it, connect-node does not.
   */
  readonly repeats: "nothing" | "refused calls";
  /** Its existence ends the load. */
  readonly stopFile: string;
}

export interface GrpcLoadReport {
  /** Unary calls. */
  readonly succeeded: number;
  /** When, which client or stream, and what. */
  readonly failures: readonly string[];
  readonly streams: {
    readonly messages: number;
    /** Streams that their client ended because it received GOAWAY, or at the end of the load. */
    readonly endedAfterGoaway: number;
    readonly endedByServer: number;
  };
}

const PROGRAM = fileURLToPath(new URL("./grpc-load-program-fixture.ts", import.meta.url));

/** Starts calls in a pod's network. @returns a function that ends them and returns their report */
export function startGrpcLoad(pod: LocalPod, job: Omit<GrpcLoadJob, "stopFile">): () => Promise<GrpcLoadReport> {
  return startProgram<GrpcLoadReport>(pod, PROGRAM, job);
}
