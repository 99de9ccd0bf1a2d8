import { formatCount } from "../../../../mesh/format-count.ts";
import { fieldOf, listOf, parseJson, textOf } from "../checks/json-fields.ts";
import type { DemoCluster } from "../demo-cluster.ts";

/** The certificate authority as `entente ca status -o json` shows it, as far as the demo looks at it. */
export interface ShownAuthority {
  /** Proxies of the mesh. */
  readonly connected: number;
  readonly roots: readonly ShownRoot[];
}

export interface ShownRoot {
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly isSigning: boolean;
  /** Proxies that have acknowledged a trust bundle with it. */
  readonly trustedBy: number;
  /** Proxies whose certificate it has signed. */
  readonly certificates: number;
}

/** Asks for the authority's state; `undefined` while no control plane responds. */
export async function readAuthority(cluster: DemoCluster, signal: AbortSignal): Promise<ShownAuthority | undefined> {
  return parseAuthority(await cluster.readAuthority(signal));
}

/** Reads the output of `entente ca status -o json`. */
export function parseAuthority(text: string): ShownAuthority | undefined {
  const report = parseJson(text);
  const roots = listOf(report, "roots").map((root) => ({
    fingerprint: textOf(root, "fingerprint"),
    isSigning: fieldOf(root, "isSigning") === true,
    trustedBy: numberOf(root, "trustedBy"),
    certificates: numberOf(root, "leaves"),
  }));
  return roots.length === 0 ? undefined : { connected: numberOf(fieldOf(report, "proxies"), "connected"), roots };
}

/** One line: each root, who trusts it, and whose certificates it has signed. */
export function describeAuthority(authority: ShownAuthority | undefined): string {
  if (authority === undefined) return "no control plane responds";
  const { connected, roots } = authority;
  return roots
    .map(({ fingerprint, isSigning, trustedBy, certificates }) => {
      const name = `${fingerprint.slice(0, 8)}…${isSigning ? " (signs)" : ""}`;
      return `${name}: trusted by ${trustedBy} of ${connected}, ${formatCount(certificates, "certificate")}`;
    })
    .join("; ");
}

function numberOf(value: unknown, name: string): number {
  const field = fieldOf(value, name);
  return typeof field === "number" ? field : 0;
}
