import type { RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { parseSpiffeId, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { OptionTable } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";

/** What is revoked, or no longer. */
export const TARGET_OPTIONS = {
  serial: {
    type: "string",
    value: "HEX",
    help: "a certificate, by its serial number in hexadecimal: as openssl, entente certs and the authority's log show it",
    heading: "For revoke and unrevoke",
  },
  identity: {
    type: "string",
    value: "SPIFFE_ID",
    help: "every certificate of an identity, as spiffe://cluster.local/ns/NAMESPACE/sa/SERVICE_ACCOUNT",
  },
  pod: { type: "string", value: "NAMESPACE/NAME", help: "every certificate of a pod, and its token" },
  uid: {
    type: "string",
    value: "UID",
    help: "with --pod: which one of this name; for a pod that is deleted. The authority's log has it in each line `issued`",
  },
} as const satisfies OptionTable;

export interface TargetOptionValues {
  readonly serial?: string | undefined;
  readonly identity?: string | undefined;
  readonly pod?: string | undefined;
  readonly uid?: string | undefined;
}

/** @throws UsageError naming the option and the expected value */
export function parseTarget({ serial, identity, pod, uid }: TargetOptionValues): RevocationTarget {
  const given = [serial, identity, pod].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError(`exactly one of --serial, --identity and --pod must be given, got ${given.length}`);
  }
  if (uid !== undefined && pod === undefined) throw new UsageError("--uid is for --pod: give both");
  if (serial !== undefined) return { kind: "serial", serialNumber: parseSerialNumber(serial) };
  if (identity !== undefined) return { kind: "identity", identity: parseIdentity(identity) };
  return { kind: "pod", ...parsePod(pod ?? ""), ...(uid !== undefined && { uid: parseUid(uid) }) };
}

/** Octets apart by colons, as openssl writes them, or digits without any. */
const SERIAL_NUMBER = /^(?:0x)?(?:[0-9a-f]+|[0-9a-f]{1,2}(?::[0-9a-f]{2})+)$/i;
/** RFC 5280, section 4.1.2.2: at most 20 octets. */
const MAX_SERIAL_DIGITS = 40;

/** As `X509Certificate.serialNumber`: upper case, without leading zeros. */
function parseSerialNumber(text: string): string {
  const digits = text.replace(/^0x/i, "").replaceAll(":", "").replace(/^0+/, "").toUpperCase();
  if (SERIAL_NUMBER.test(text) && digits !== "" && digits.length <= MAX_SERIAL_DIGITS) return digits;
  throw new UsageError(
    `--serial must be a serial number in hexadecimal, such as 3F:09:C2 or 0x3f09c2, of at most 20 octets, got "${text}"`,
  );
}

function parseIdentity(text: string): SpiffeId {
  try {
    return parseSpiffeId(text);
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    throw new UsageError(`--identity: ${message.slice(code.length + 2)}`);
  }
}

/** RFC 1123: a namespace is a label, a pod's name a subdomain. */
const POD = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/;

function parsePod(text: string): { readonly namespace: string; readonly name: string } {
  const [, namespace, name] = POD.exec(text) ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  throw new UsageError(`--pod must be NAMESPACE/NAME, got "${text}"`);
}

const UID = /^[A-Za-z0-9-]{1,64}$/;

function parseUid(text: string): string {
  if (UID.test(text)) return text;
  throw new UsageError(`--uid must be the uid of a pod, such as 6f0c5a52-0d5e-4f36-8a0b-5e1f0c9d3b7e, got "${text}"`);
}

const MAX_REASON = 200;

/** One line, which every control plane reads with the entry. */
export function parseReason(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const isLine = !/[\p{C}\u2028\u2029]/u.test(text) && text.trim() !== "";
  if (isLine && text.length <= MAX_REASON) return text;
  throw new UsageError(`--reason must be one line of at most ${MAX_REASON} characters without control characters`);
}
