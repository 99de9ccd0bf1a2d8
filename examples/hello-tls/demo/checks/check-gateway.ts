import type { HostAnswer, HostFailure } from "../pods/host-requests.ts";
import { type Check, type CheckResult, findEqual } from "./check.ts";
import { GATEWAY_HOST, GATEWAY_TEXT } from "./traffic.ts";

/** a: the chain responds through the gateway, and the gateway serves no other host. */
export const checkGateway: Check = {
  letter: "a",
  title: "Through the gateway",
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run({ cluster }): Promise<CheckResult> {
    const { host, gatewayUrl } = cluster;
    const known = await host.ask(gatewayUrl, GATEWAY_HOST);
    const unknown = await host.ask(gatewayUrl, "stranger.example.com");
    return {
      findings: [
        findEqual(`${gatewayUrl} with Host: ${GATEWAY_HOST}`, `200 ${GATEWAY_TEXT}`, describe(known)),
        findEqual("a host that no VirtualService has is not served", "404", describe(unknown).slice(0, 3)),
      ],
    };
  },
};

function describe(reply: HostAnswer | HostFailure): string {
  return reply.kind === "answered" ? `${reply.status} ${reply.text}` : reply.message;
}
