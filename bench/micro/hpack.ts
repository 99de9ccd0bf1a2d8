/** What a header block costs: ns a message of 8 fields, encoded and decoded in several forms. See ../README.md. */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { encodeBlock, type FieldPair, literal, stringOf } from "../../proxy/http2/hpack/block-fixture.ts";
import { HpackDecoder } from "../../proxy/http2/hpack/hpack-decoder.ts";
import { HpackEncoder } from "../../proxy/http2/hpack/hpack-encoder.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";
import { median } from "../report/median.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "200000" }, rounds: { type: "string", default: "9" } },
});

/** Messages that differ, so that nothing is found because it was the last one. */
const VARIANTS = 512;

function requestOf(variant: number): readonly FieldPair[] {
  return [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "hello.default.svc.cluster.local:8080"],
    [":path", `/api/items/${variant}?page=2`],
    ["user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],
    ["accept", "*/*"],
    ["x-request-id", `f058ebd6-02f7-4d3f-942e-9043${String(variant).padStart(8, "0")}`],
    ["x-forwarded-proto", "https"],
  ];
}

function responseOf(variant: number): readonly FieldPair[] {
  return [
    [":status", "200"],
    ["content-type", "application/json; charset=utf-8"],
    ["content-length", String(100 + variant)],
    ["date", `Thu, 26 Nov 2026 10:${String(variant % 60).padStart(2, "0")}:00 GMT`],
    ["server", "istio-envoy"],
    ["cache-control", "no-cache"],
    ["vary", "accept-encoding"],
    ["x-envoy-upstream-service-time", String(variant % 10)],
  ];
}

/** Every field with its name, and nothing indexed. */
function literalBlock(fields: readonly FieldPair[], coding: "plain" | "huffman"): Buffer {
  if (coding === "plain") return Buffer.concat(fields.map((field) => literal("plain", field)));
  const octets = ([name, value]: FieldPair): Buffer =>
    Buffer.concat([Buffer.from([0]), stringOf(name, coding), stringOf(value, coding)]);
  return Buffer.concat(fields.map(octets));
}

const target = Buffer.alloc(4096);

function encoding(messages: readonly (readonly FieldPair[])[]): (index: number) => number {
  const encoder = new HpackEncoder();
  return (index) => {
    let at = encoder.beginBlock(target, 0);
    for (const [name, value] of messages[index % VARIANTS] ?? []) at = encoder.encodeField(target, at, name, value);
    return at;
  };
}

function decoding(blocks: readonly Buffer[]): (index: number) => number {
  const decoder = new HpackDecoder();
  const none = Buffer.alloc(0);
  return (index) => {
    const decoded = decoder.decode(blocks[index % VARIANTS] ?? none);
    if (decoded.kind !== "fields") throw new Error(decoded.message);
    return decoded.names.length;
  };
}

function encodedBlocks(messages: readonly (readonly FieldPair[])[]): readonly Buffer[] {
  const encoder = new HpackEncoder();
  return messages.map((fields) => Buffer.from(encodeBlock(encoder, fields)));
}

const requests = Array.from({ length: VARIANTS }, (_, variant) => requestOf(variant));
const responses = Array.from({ length: VARIANTS }, (_, variant) => responseOf(variant));
const CASES: readonly { readonly name: string; readonly run: (index: number) => number }[] = [
  { name: "encode requests", run: encoding(requests) },
  { name: "encode responses", run: encoding(responses) },
  { name: "decode requests, as encoded", run: decoding(encodedBlocks(requests)) },
  { name: "decode responses, as encoded", run: decoding(encodedBlocks(responses)) },
  { name: "decode requests, all literal", run: decoding(requests.map((fields) => literalBlock(fields, "plain"))) },
  { name: "decode requests, all Huffman", run: decoding(requests.map((fields) => literalBlock(fields, "huffman"))) },
];

/** The processor's time for one message in ns, of many in a row; waiting for other processes is not in it. */
function measure(run: (index: number) => number, messages: number): number {
  const started = process.threadCpuUsage();
  for (let index = 0; index < messages; index += 1) run(index);
  const { user, system } = process.threadCpuUsage(started);
  return ((user + system) * 1000) / messages;
}

const rounds = Number(values.rounds);
const costs = CASES.map((): number[] => []);
for (let round = 0; round <= rounds; round += 1) {
  for (const [index, { run }] of CASES.entries()) {
    const ns = measure(run, Number(values.messages));
    if (round > 0) costs[index]?.push(ns); // The first round warms up.
  }
}
const rows = CASES.map(({ name }, index) => [
  name,
  median(costs[index] ?? []).toFixed(0),
  Math.min(...(costs[index] ?? [])).toFixed(0),
]);
process.stdout.write(
  `${formatCaption(describeRun(new Date())).join("\n")}\nload ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds in turns\n${alignColumns([["ns a message of 8 fields", "median", "least"], ...rows])}\n`,
);
