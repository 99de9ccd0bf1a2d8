/**
 * Runs inside a pod's network: connects to each target, over TCP or TLS, sends a request, and prints as JSON what came
 * back. It stands for an attacker, so it checks nothing of the other side.
 */
import { connect, type Socket } from "node:net";
import { argv, stdout } from "node:process";
import { connect as connectTls } from "node:tls";
import type { ProbeResult, ProbeTarget } from "./probe.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";
const MAX_BYTES = 4096;

// The probe starts this file itself, with targets of its own making as the argument.
const targets: readonly ProbeTarget[] = JSON.parse(argv[2] ?? "[]");
stdout.write(JSON.stringify(await Promise.all(targets.map(probe))));

function probe(target: ProbeTarget): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const tcp = connect({ host: target.ip, port: target.port });
    const socket = target.tls === undefined ? tcp : secure(tcp, target.tls);
    let received = Buffer.alloc(0);
    let localPort = 0;
    const finish = (outcome: ProbeResult["outcome"], detail: string): void => {
      clearTimeout(timer);
      tcp.destroy();
      resolve({
        outcome: received.length > 0 ? "answered" : outcome,
        detail,
        text: received.toString("latin1"),
        localPort,
      });
    };
    const timer = setTimeout(() => finish("silent", `nothing in ${target.timeoutMs} ms`), target.timeoutMs);
    tcp.once("connect", () => {
      localPort = tcp.localPort ?? 0;
    });
    tcp.on("error", (error) => finish(outcomeOf(error), error.message));
    socket.on("error", (error) => finish(outcomeOf(error), error.message));
    socket.on("close", () => finish("closed", "closed without a word"));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]).subarray(0, MAX_BYTES);
    });
    socket.write(REQUEST);
  });
}

function secure(socket: Socket, tls: NonNullable<ProbeTarget["tls"]>): Socket {
  const certificate = tls.certificatePem === undefined ? {} : { cert: tls.certificatePem, key: tls.keyPem };
  return connectTls({
    socket,
    ...certificate,
    servername: tls.serverName,
    ALPNProtocols: ["istio"],
    rejectUnauthorized: false,
  });
}

function outcomeOf(error: Error): ProbeResult["outcome"] {
  const code = "code" in error ? error.code : undefined;
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ECONNRESET" || code === "EPIPE") return "reset";
  return "failed";
}
