import type { TokenRule } from "../../mesh/policy/request-authentication/token-rule.ts";
import type { UpstreamHttpVersion } from "../../mesh/policy/types.ts";
import type { PolicyLoad } from "./policy-load.ts";

/** The job of a process that is one side of a path. */
export interface SideJob {
  /** `client`: plaintext in, mutual TLS out; `server`: mutual TLS in, plaintext out. */
  readonly side: "client" | "server";
  /** Where it listens. */
  readonly port: number;
  /** Where it sends on, on 127.0.0.1. */
  readonly upstreamPort: number;
  /** Where the client dialled: the port that the application listens on. */
  readonly originalPort: number;
  readonly protocol: "tcp" | "http" | "http2";
  /** What the client's side wants of the mesh hop where the protocol is HTTP. */
  readonly hopVersion: UpstreamHttpVersion;
  readonly identity: string;
  readonly peerIdentity: string;
  /** The server's side verifies tokens by these rules; absent: by none. */
  readonly tokenRules?: readonly TokenRule[];
  /** The server's side has these policies; absent: none. */
  readonly policies?: PolicyLoad;
  /** Certificate and key. */
  readonly certificateFile: string;
  readonly rootFile: string;
}
