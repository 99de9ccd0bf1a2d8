import { Agent } from "undici";
import { type Check, type CheckResult, findEqual } from "./check.ts";
import { askGateway } from "./gateway-request.ts";
import { GATEWAY_HOST, GATEWAY_TEXT } from "./traffic.ts";

/** a: the chain answers through the gateway, and the gateway serves nobody else's name. */
export const checkGateway: Check = {
  letter: "a",
  title: "Through the gateway",
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run({ cluster, signal }): Promise<CheckResult> {
    const dispatcher = new Agent();
    const url = cluster.gatewayUrl;
    try {
      const known = await askGateway({ url, host: GATEWAY_HOST, dispatcher, signal });
      const unknown = await askGateway({ url, host: "stranger.example.com", dispatcher, signal });
      return {
        findings: [
          findEqual(`${GATEWAY_HOST} answers`, `200 ${GATEWAY_TEXT}`, `${known.status} ${known.text}`),
          findEqual("a host that no VirtualService has is not served", "404", `${unknown.status}`),
        ],
      };
    } finally {
      await dispatcher.close();
    }
  },
};
