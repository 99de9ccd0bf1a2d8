import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IstioCertificateResponseSchema } from "../../mesh/api/gen/ca_pb.ts";
import { readUriSans } from "../../mesh/identity/x509-san.ts";
import {
  type ControlPlaneFixture,
  CREATE_CERTIFICATE_PATH,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";

/**
 * Requests as other agents send them: headers and bytes of the message, written from Istio's `ca.proto` and the agents'
 * sources by field numbers, without our generated code.
 */
const IDENTITY = "spiffe://cluster.local/ns/ns1/sa/default";
const OTHER = "spiffe://cluster.local/ns/kube-system/sa/admin";
let plane: ControlPlaneFixture;
beforeAll(async () => {
  plane = await startControlPlaneFixture();
});
afterAll(() => plane.stop());

function varint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return Buffer.from([...octets, rest]);
}

/** A field with a length: text, bytes or a message. */
function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** `google.protobuf.Struct` in field 4, with texts as values. */
function metadata(fields: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(fields).map(([key, text]) =>
    field(1, Buffer.concat([field(1, key), field(2, field(3, text))])),
  );
  return field(4, Buffer.concat(entries));
}

const validity = (seconds: number): Buffer => Buffer.concat([varint(3 * 8), varint(seconds)]);

function frame(message: Buffer, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

interface AgentRequest {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** After the CSR in field 1. */
  readonly fields: readonly Buffer[];
  readonly isCompressed?: boolean;
  /** The gRPC status, with the message of a refusal. */
  readonly status: string;
  readonly message?: string;
}

const GRPC_GO = { "content-type": "application/grpc", "user-agent": "grpc-go/1.71.0", te: "trailers" };
const TONIC = { te: "trailers", "content-type": "application/grpc", "user-agent": "tonic/0.12.3" };
const OK = { status: "0" };

const CORPUS: readonly AgentRequest[] = [
  {
    name: "Istio's agent: a signer without a name, an hour, its cluster",
    headers: { ...GRPC_GO, clusterid: "Kubernetes", "grpc-timeout": "9999999u" },
    fields: [validity(3600), metadata({ CertSigner: "" })],
    ...OK,
  },
  {
    name: "Istio's agent with CA headers of its configuration, and a signer's name",
    headers: { ...GRPC_GO, clusterid: "Kubernetes", "x-tenant": "a" },
    fields: [validity(3600), metadata({ CertSigner: "istio-system" })],
    ...OK,
  },
  {
    name: "Istio's agent before metadata existed, which sends only the request",
    headers: { ...GRPC_GO, clusterid: "Kubernetes" },
    fields: [],
    ...OK,
  },
  {
    name: "grpc-go with gzip, which no agent uses: nothing is decompressed",
    headers: { ...GRPC_GO, "grpc-encoding": "gzip", "grpc-accept-encoding": "gzip" },
    fields: [validity(3600)],
    isCompressed: true,
    status: "12",
  },
  {
    name: "tonic with the name of its message format",
    headers: { ...TONIC, "content-type": "application/grpc+proto", "grpc-timeout": "10S" },
    fields: [validity(3600)],
    ...OK,
  },
  { name: "ztunnel for its own pod", headers: TONIC, fields: [validity(3600)], ...OK },
  {
    name: "a later version of the protocol, with a field that is not known",
    headers: GRPC_GO,
    fields: [validity(3600), field(99, "later")],
    ...OK,
  },
  {
    name: "ztunnel for a pod of its node, which Istio allows to trusted node accounts alone",
    headers: TONIC,
    fields: [validity(3600), metadata({ ImpersonatedIdentity: OTHER })],
    status: "16",
    message: "request impersonation authentication failure",
  },
  {
    name: "Istio's agent for three days where two hours are the limit",
    headers: GRPC_GO,
    fields: [validity(3 * 86_400)],
    status: "3",
    message: "CSR signing error (TTL_ERROR",
  },
  {
    name: "a client that announces a compression that nobody knows",
    headers: { ...GRPC_GO, "grpc-encoding": "lz9" },
    fields: [],
    isCompressed: true,
    status: "12",
  },
];

async function send(request: AgentRequest, csr: string, bearer: string) {
  const session = plane.dialHttp2();
  const head = { ":method": "POST", ":path": CREATE_CERTIFICATE_PATH, authorization: `Bearer ${bearer}` };
  const stream = session.request({ ...head, ...request.headers }).on("error", () => undefined);
  const message = Buffer.concat([field(1, csr), ...request.fields]);
  stream.end(frame(request.isCompressed === true ? gzipSync(message) : message, request.isCompressed));
  const ended: Record<string, unknown> = {};
  stream.on("response", (headers) => Object.assign(ended, headers));
  stream.on("trailers", (trailers) => Object.assign(ended, trailers));
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream, "close");
  session.destroy();
  return {
    status: ended["grpc-status"],
    message: decodeURIComponent(String(ended["grpc-message"] ?? "")),
    body: Buffer.concat(chunks),
  };
}

describe("a request of", () => {
  it.each(CORPUS)("$name: status $status", async (request) => {
    const response = await send(request, plane.csr(), await plane.token());
    expect(response.status).toBe(request.status);
    expect(response.message).toContain(request.message ?? "");
    if (request.status !== "0") return expect(response.body).toHaveLength(0);
    const { certChain } = fromBinary(IstioCertificateResponseSchema, response.body.subarray(5));
    expect(certChain.length).toBeGreaterThan(1);
    expect(readUriSans(new X509Certificate(certChain[0] ?? "").raw)).toEqual([IDENTITY]);
  });
});

it.each([
  { name: "an RSA key, the default of Istio's agent", args: ["-newkey", "rsa:2048"] },
  { name: "a P-384 key, by ECC_CURVE", args: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"] },
  {
    name: "an organisation and a critical name, as Istio's agent writes them",
    args: ["-newkey", "rsa:2048", "-subj", "/O=", "-addext", `subjectAltName=critical,URI:${IDENTITY}`],
  },
  {
    name: "another pod's name, which is ignored as in Istio",
    args: ["-newkey", "rsa:2048", "-addext", `subjectAltName=critical,URI:${OTHER}`],
  },
])("a signing request with $name gets the caller's certificate", async ({ args }) => {
  const chain = await plane.ask({ bearer: await plane.token(), csr: plane.csr(...args) });
  expect(readUriSans(new X509Certificate(chain[0] ?? "").raw)).toEqual([IDENTITY]);
});
