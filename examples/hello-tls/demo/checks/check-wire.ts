import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { assembleStreams, parsePcap, type TcpStream } from "../wire/pcap-reader.ts";
import { startWireCapture } from "../wire/wire-capture.ts";
import { readWire, type WireReading } from "../wire/wire-reading.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";

/** c: what tcpdump sees between the pods. */
export const checkWire: Check = {
  letter: "c",
  title: "On the wire",
  suspects: ({ hello, world }) => [hello, world],
  async run(context): Promise<CheckResult> {
    const marker = randomUUID();
    const { meshed, legacy } = await captureMarkedRequest(context, marker);
    const secured = readWire(meshed, ["GET", "world", marker]);
    const readable = readWire(legacy, ["GET", marker]);
    return {
      findings: [judgeRecords(secured), judgeSecrecy(secured), judgeReadable(readable)],
      notes: [
        "The one name in plaintext between hello and world is the SNI of the ClientHello, as Istio's sidecars send it; it is not counted.",
      ],
    };
  },
};

interface Captured {
  readonly meshed: readonly TcpStream[];
  readonly legacy: readonly TcpStream[];
}

/** Asks world from hello's pod, on a new connection, with a marker that the applications pass on as a trace header. */
async function captureMarkedRequest(
  { cluster, scratchFolder, signal }: CheckContext,
  marker: string,
): Promise<Captured> {
  const { hello, world, end } = cluster;
  const meshed = await startWireCapture({
    interfaceName: world.hostInterface,
    filter: `tcp and host ${hello.ip} and host ${world.ip}`,
    file: join(scratchFolder, "hello-world.pcap"),
    signal,
  });
  const legacy = await startWireCapture({
    interfaceName: end.hostInterface,
    filter: `tcp and host ${world.ip} and host ${end.ip}`,
    file: join(scratchFolder, "world-end.pcap"),
    signal,
  });
  const wait = { everyMs: 50, timeoutMs: 2000, signal };
  const readWhole = async () => readWire(assembleStreams(parsePcap(await meshed.read())), []);
  for (const requests of BURSTS) {
    await askAtOnce(hello, requests, `x-request-id: ${marker}`);
    const captured = await pollUntil(readWhole, hasNewConnection, { ...wait, timeoutMs: 500 });
    if (captured.isReached) break;
  }
  await pollUntil(
    () => legacy.read(),
    (file) => file.includes(marker),
    wait,
  );
  const [meshedFile, legacyFile] = await Promise.all([meshed.stop(), legacy.stop()]);
  return { meshed: assembleStreams(parsePcap(meshedFile)), legacy: assembleStreams(parsePcap(legacyFile)) };
}

/**
 * More requests at the same time than there are kept connections make new ones, while we listen. On a machine on which
 * responses are quick it takes more of them.
 */
const BURSTS = [24, 72, 216];

async function askAtOnce(pod: DemoPod, requests: number, header: string): Promise<void> {
  const parallel = ["--parallel", "--parallel-immediate", "--parallel-max", String(requests)];
  const flags = ["--silent", ...parallel, "--max-time", "4", "--header", header, "--output", "/dev/null"];
  await pod.exec(["curl", ...flags, `http://world.ns2:8080/?[1-${requests}]`]);
}

/** In both directions. */
function hasNewConnection({ tlsStreams }: WireReading): boolean {
  return tlsStreams >= 2;
}

function judgeRecords(reading: WireReading): Finding {
  const { tlsStreams, otherStreams, tlsRecords, bytes } = reading;
  return {
    claim: "hello ↔ world: every stream is TLS records from its first byte on",
    passed: hasNewConnection(reading) && otherStreams === 0,
    expected: "at least one new connection, TLS in both directions, nothing else",
    seen: `${tlsStreams} streams of TLS, ${otherStreams} of something else, ${tlsRecords} records, ${bytes} bytes`,
  };
}

function judgeSecrecy({ found, bytes }: WireReading): Finding {
  const names = [...found].map((text) => (text.length > 20 ? "the request's trace id" : text));
  return {
    claim: "hello ↔ world: neither GET nor world nor the request's trace id can be read",
    passed: found.size === 0 && bytes > 0,
    expected: "none of them in the bytes captured",
    seen: found.size === 0 ? `none in ${bytes} bytes` : `${names.join(", ")} in ${bytes} bytes`,
  };
}

function judgeReadable({ found, bytes, firstLine }: WireReading): Finding {
  return {
    claim: "world → end (legacy): the request can be read, trace id included",
    passed: found.size === 2,
    expected: "GET and the trace id in the bytes captured",
    seen: found.size === 2 ? `${JSON.stringify(firstLine)} and the trace id` : `${found.size} of 2 in ${bytes} bytes`,
  };
}
