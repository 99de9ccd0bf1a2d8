import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";
import { type ControlState, MAX_REVOCATIONS, type Revocation, type RevocationTarget } from "./control-state.ts";
import { DOCUMENT_VERSIONS, describeLater, readLaterVersion, VERSION_FIELDS } from "./document-version.ts";
import { LAST_REVISION, MAX_REVISIONS } from "./state-revisions.ts";
import { type Fields, parseJson, readFields, readItems, readText, type UnknownFields } from "./strict-json.ts";

/** A ConfigMap may contain 1 MiB. */
const MAX_BYTES = 1_000_000;
const SERIAL_NUMBER = /^(?:0|[1-9A-F][0-9A-F]{0,39})$/;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const POD = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})$/;
const UID = /^[A-Za-z0-9-]{1,64}$/;
const ROTATION_KIND = /^(?:rotate|roll_back)$/;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** One line, so that a log line can contain it. */
const REASON = /^[^\p{C}\u2028\u2029]{1,200}$/u;
const REVOCATIONS = "the list of revocations";
const ROTATION = "the request for a rotation";
const REVISIONS = "the list of revisions";
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/;

/** The parts of a state, each as JSON. */
export interface ControlTexts {
  readonly revocations: string;
  readonly rotation: string | undefined;
  readonly revisions?: string | undefined;
  /** As `ControlState`. */
  readonly laterVersion?: number | undefined;
}

/**
 * Parses a state. Nothing is skipped: an entry that cannot be read, or has a field that is not known, would otherwise
 * revoke less than was asked. Throws a CaError `control_state` that names the entry and the fix.
 */
export function parseControlTexts({ revocations, rotation, revisions, laterVersion }: ControlTexts): ControlState {
  const unknown = laterVersion === undefined ? "refused" : "ignored";
  return checked(() => ({
    revocations: parseRevocations(parseJson(revocations, REVOCATIONS), unknown),
    rotation: rotation === undefined ? undefined : parseRotation(parseJson(rotation, ROTATION), unknown),
    ...(revisions !== undefined && { revisions: parseRevisions(parseJson(revisions, REVISIONS)) }),
    ...(laterVersion !== undefined && { laterVersion }),
  }));
}

/** The same for one JSON object with all parts. */
export function parseControlDocument(text: string): ControlState {
  return checked(() => {
    const value = parseJson(text, "the file");
    const laterVersion = readLaterVersion("control", readFields(value, "the file", [], "ignored"), "the file");
    const unknown = laterVersion === undefined ? "refused" : "ignored";
    const fields = readFields(value, "the file", ["revocations", "rotation", "revisions", ...VERSION_FIELDS], unknown);
    if (!Object.hasOwn(fields, "revocations")) throw new Error("the file has no revocations: [] revokes nothing");
    const { revocations, rotation, revisions } = fields;
    return {
      revocations: parseRevocations(revocations, unknown),
      rotation: Object.hasOwn(fields, "rotation") ? parseRotation(rotation, unknown) : undefined,
      ...(Object.hasOwn(fields, "revisions") && { revisions: parseRevisions(revisions) }),
      ...(laterVersion !== undefined && { laterVersion }),
    };
  });
}

/**
 * One revocation a line, so that people can read it. Throws a CaError `control_limit` if it is too much to store,
 * `control_state` for what could not be read again, because once stored it would stop every control plane, and
 * `control_version` for what a later version has stored, of which this one knows a part.
 */
export function formatControlTexts({ revocations, rotation, revisions, laterVersion }: ControlState): ControlTexts {
  if (laterVersion !== undefined) throw laterDocument(laterVersion);
  const lines = revocations.map((revocation) => JSON.stringify(formatRevocation(revocation)));
  const text = lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n]`;
  if (lines.length > MAX_REVOCATIONS || Buffer.byteLength(text) > MAX_BYTES) {
    throw new CaError(
      "control_limit",
      `${lines.length} revocations with ${Buffer.byteLength(text)} bytes are too many: at most ${MAX_REVOCATIONS} with ` +
        `${MAX_BYTES} bytes are kept. Revoke identities instead of single certificates, or replace the root`,
    );
  }
  const texts = {
    revocations: text,
    rotation: rotation && JSON.stringify(rotation),
    ...(revisions !== undefined && { revisions: JSON.stringify(revisions) }),
  };
  parseControlTexts(texts);
  return texts;
}

/** What `parseControlDocument` reads. */
export function formatControlDocument(state: ControlState): string {
  const { revocations, rotation, revisions } = formatControlTexts(state);
  const { version, minReaderVersion } = DOCUMENT_VERSIONS.control;
  const head =
    revisions === undefined
      ? ""
      : `"version":${version},"minReaderVersion":${minReaderVersion},"revisions":${revisions},\n`;
  return `{${head}"revocations":${revocations}${rotation === undefined ? "" : `,\n"rotation":${rotation}`}}\n`;
}

/** A later version has stored what would be overwritten. */
export function laterDocument(version: number): CaError {
  return new CaError(
    "control_version",
    `what is asked of the authority is not changed: ${describeLater("control", version)}`,
  );
}

function checked<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (caught) {
    if (caught instanceof CaError) throw caught;
    const { message } = MeshError.from(caught);
    throw new CaError("control_state", message.replace(/^unexpected: /, ""), { cause: caught });
  }
}

function parseRevocations(value: unknown, unknown: UnknownFields): readonly Revocation[] {
  const items = readItems(value, REVOCATIONS);
  if (items.length > MAX_REVOCATIONS) {
    throw new Error(`${REVOCATIONS} has ${items.length} entries, the limit is ${MAX_REVOCATIONS}`);
  }
  return items.map((item, index) => parseRevocation(item, `revocation ${index + 1}`, unknown));
}

const FIELDS = ["serial", "ofPod", "identity", "pod", "uid", "revokedAt", "expiresAt", "reason"] as const;

function parseRevocation(value: unknown, which: string, unknown: UnknownFields): Revocation {
  const fields = readFields(value, which, FIELDS, unknown);
  const revokedAt = readTime(fields, "revokedAt", which);
  if (revokedAt === undefined) throw new Error(`${which} has no revokedAt`);
  const expiresAt = readTime(fields, "expiresAt", which);
  const reason = readText(fields, "reason", which, REASON);
  const what = parseTarget(fields, which);
  return { what, revokedAt, ...(expiresAt && { expiresAt }), ...(reason && { reason }) };
}

function parseTarget(fields: Fields, which: string): RevocationTarget {
  const named = ["serial", "identity", "pod"].filter((name) => Object.hasOwn(fields, name));
  if (named.length !== 1) throw new Error(`${which} must have exactly one of serial, identity and pod`);
  const serialNumber = readText(fields, "serial", which, SERIAL_NUMBER);
  // An earlier version has stored the certificates of a revoked pod one by one. They stay revoked until they expire.
  const ofPod = readText(fields, "ofPod", which, POD);
  const identity = readText(fields, "identity", which);
  const uid = readText(fields, "uid", which, UID);
  if (ofPod !== undefined && serialNumber === undefined) throw new Error(`${which} has ofPod without a serial`);
  if (uid !== undefined && !Object.hasOwn(fields, "pod")) throw new Error(`${which} has a uid without a pod`);
  if (serialNumber !== undefined) return { kind: "serial", serialNumber };
  if (identity !== undefined) return { kind: "identity", identity: parseSpiffeId(identity) };
  return { kind: "pod", ...parsePodName(readText(fields, "pod", which) ?? "", which), ...(uid && { uid }) };
}

function parsePodName(text: string, which: string): { readonly namespace: string; readonly name: string } {
  const [, namespace = "", name = ""] = POD.exec(text) ?? [];
  if (!DNS_LABEL.test(namespace) || !DNS_SUBDOMAIN.test(name)) {
    throw new Error(`${which}: pod must be NAMESPACE/NAME, got ${JSON.stringify(text.slice(0, 100))}`);
  }
  return { namespace, name };
}

function parseRotation(value: unknown, unknown: UnknownFields): ControlState["rotation"] {
  const fields = readFields(value, ROTATION, ["kind", "requestId", "requestedAt"], unknown);
  const kind = readText(fields, "kind", ROTATION, ROTATION_KIND);
  const requestId = readText(fields, "requestId", ROTATION, REQUEST_ID);
  const requestedAt = readTime(fields, "requestedAt", ROTATION);
  if (requestId === undefined || requestedAt === undefined) {
    throw new Error(`${ROTATION} needs a requestId and a requestedAt`);
  }
  const isBack = kind === "roll_back";
  return { ...(kind !== undefined && { kind: isBack ? kind : "rotate" }), requestId, requestedAt };
}

/** The newest first, each once. Only the last one may be that of a state that was never stored. */
function parseRevisions(value: unknown): readonly number[] {
  const items = readItems(value, REVISIONS);
  const revisions = items.filter(isRevision);
  const isDescending = revisions.every((revision, index) => index === 0 || revision < (revisions[index - 1] ?? 0));
  const isComplete = revisions.length === items.length && items.length <= MAX_REVISIONS;
  if (isComplete && isDescending && (revisions[0] ?? 0) > 0) return revisions;
  throw new Error(
    `${REVISIONS} must have 1 to ${MAX_REVISIONS} whole numbers up to ${LAST_REVISION}, the highest first: leave it as it ` +
      "is, or remove it",
  );
}

function isRevision(item: unknown): item is number {
  return typeof item === "number" && Number.isSafeInteger(item) && item >= 0 && item <= LAST_REVISION;
}

function readTime(fields: Fields, name: string, which: string): string | undefined {
  const text = readText(fields, name, which, TIME);
  if (text !== undefined && Number.isNaN(Date.parse(text))) {
    throw new Error(`${which}: ${name} is not a time: ${JSON.stringify(text)}`);
  }
  return text;
}

function formatRevocation({ what, ...rest }: Revocation): Readonly<Record<string, string>> {
  switch (what.kind) {
    case "serial":
      return { serial: what.serialNumber, ...rest };
    case "identity":
      return { identity: what.identity, ...rest };
    case "pod":
      return { pod: `${what.namespace}/${what.name}`, ...(what.uid && { uid: what.uid }), ...rest };
  }
}
