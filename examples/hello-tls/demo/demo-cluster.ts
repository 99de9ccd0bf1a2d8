import type { DemoPace } from "./demo-pace.ts";
import type { CommandResult, DemoPod } from "./pods/demo-pod.ts";
import type { HostRequester } from "./pods/host-requests.ts";

/** The running mesh as the checks see it: pods by their part in the story, and the few things that they may change. */
export interface DemoCluster {
  readonly gateway: DemoPod;
  /** `hello` in ns1, with a sidecar. */
  readonly hello: DemoPod;
  /** `world` in ns2, with a sidecar. */
  readonly world: DemoPod;
  /** `end` in legacy, without. */
  readonly end: DemoPod;
  /** The gRPC client, with a sidecar. */
  readonly caller: DemoPod;
  /** The two pods of its server, each with a sidecar. */
  readonly greeters: readonly DemoPod[];
  /** A pod of the legacy namespace that the demo adds for its attacks. */
  readonly attacker: DemoPod;
  /** Asks from outside of the mesh. */
  readonly host: HostRequester;
  /** Where the gateway is published on this machine. */
  readonly gatewayUrl: string;
  /** What the user should know of how it was started, a sentence each. */
  readonly notices: readonly string[];
  /** The file of the watched folder that holds the MeshPolicy. */
  readonly policyFile: string;
  /** A file of the same folder, which does not exist at first. */
  readonly authorizationFile: string;
  /** The authority's own folder, with its root certificate and private key. */
  readonly authorityFolder: string;
  readonly pace: DemoPace;
  /** Runs `entente ca ARGUMENTS --local`, as a user would. */
  ca(args: readonly string[], signal: AbortSignal): Promise<CommandResult>;
  /** The output of `entente ca status --local -o json`. */
  readAuthority(signal: AbortSignal): Promise<string>;
  killControlPlane(): Promise<void>;
  startControlPlane(): Promise<void>;
  stop(): Promise<void>;
}
