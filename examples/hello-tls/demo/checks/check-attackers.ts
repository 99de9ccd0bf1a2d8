import { type ProbeResult, type ProbeTarget, probeFromPod } from "../pods/probe.ts";
import { pollUntil } from "../poll-until.ts";
import { type Attacker, createAttackers, mintNow, readMeshRoot, STOLEN_IDENTITY } from "./attackers.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";
import { findImpostors } from "./impostors.ts";
import { countHandshakeFailures } from "./metrics-text.ts";
import { type LogLine, parseLogLines } from "./proxy-log.ts";

const APPLICATION_PORT = 8080;
const SERVER_NAME = "outbound_.8080_._.world.ns2.svc.cluster.local";

/** e: a client with a certificate that must be refused gets nothing, and log and metric name the reason. */
export const checkAttackers: Check = {
  letter: "e",
  title: "Attackers with certificates",
  suspects: ({ hello, world }) => [hello, world],
  async run(context): Promise<CheckResult> {
    const meshRoot = await readMeshRoot(context.cluster.authorityFolder);
    const nowMs = Date.now();
    const control = mintNow(meshRoot, [STOLEN_IDENTITY], nowMs);
    const findings = [judgeControl(await knock(context, { name: "control", certificate: control, reason: "" }))];
    for (const attacker of createAttackers(meshRoot, nowMs)) findings.push(await attack(context, attacker));
    return {
      findings: [...findings, ...(await findImpostors(context, meshRoot))],
      notes: [
        "These attackers even hold the root's private key, read from the authority's folder: a good signature is not enough.",
        "The first line shows that the probe itself works: with that key and a faultless certificate it does get in.",
      ],
    };
  },
};

async function attack(context: CheckContext, attacker: Attacker): Promise<Finding> {
  const { world, attacker: from } = context.cluster;
  const labels = { direction: "inbound", reason: attacker.reason } as const;
  const before = await countHandshakeFailures(world, from, labels);
  const result = await knock(context, attacker);
  const client = `${from.ip}:${result.localPort}`;
  const logged = await awaitLogLine(context, (line) => line.client === client);
  const counted = (await countHandshakeFailures(world, from, labels)) - before;
  return {
    claim: `${attacker.name} is refused by world's sidecar`,
    passed: result.outcome !== "answered" && logged?.code === attacker.reason && counted === 1,
    expected: `no byte; ${attacker.reason} in the log and once in the metric`,
    seen: `${describeProbe(result)}; log: ${logged?.code ?? "no line"}; metric: +${counted}`,
  };
}

async function knock({ cluster }: CheckContext, { certificate }: Attacker): Promise<ProbeResult> {
  const shown = certificate === undefined ? {} : { certificatePem: certificate.pem, keyPem: certificate.keyPem };
  const target: ProbeTarget = {
    ip: cluster.world.ip,
    port: APPLICATION_PORT,
    timeoutMs: 3000,
    tls: { serverName: SERVER_NAME, ...shown },
  };
  const [result] = await probeFromPod(cluster.attacker, [target]);
  if (result === undefined) throw new Error("the probe printed nothing");
  return result;
}

async function awaitLogLine(
  { cluster, signal }: CheckContext,
  isIt: (line: LogLine) => boolean,
): Promise<LogLine | undefined> {
  const { value } = await pollUntil(
    async () => parseLogLines(await cluster.world.proxyLog()).findLast(isIt),
    (line) => line !== undefined,
    { everyMs: 50, timeoutMs: 2000, signal },
  );
  return value;
}

function judgeControl(result: ProbeResult): Finding {
  return {
    claim: "control: a faultless certificate signed by the mesh's root is let in",
    passed: result.outcome === "answered" && result.text.includes("world"),
    expected: "a response of world",
    seen: describeProbe(result),
  };
}

function describeProbe({ outcome, detail, text }: ProbeResult): string {
  return outcome === "answered" ? `answered ${JSON.stringify(text.split("\r\n")[0])}` : `${outcome} (${detail})`;
}
