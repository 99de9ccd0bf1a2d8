import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DAY_MS, mintServing, startTestWebhook, type TestWebhook } from "./webhook-fixture.ts";

let webhook: TestWebhook;

beforeEach(async () => {
  webhook = await startTestWebhook();
});

afterEach(() => webhook.stop());

describe("the serving certificate", () => {
  async function servedSerial(): Promise<string> {
    const socket = await webhook.open();
    const serial = socket.getPeerCertificate().serialNumber;
    socket.destroy();
    return serial;
  }

  it("is replaced without a restart when its files change", async () => {
    const next = mintServing();
    webhook.writePair(next.pem, next.keyPem);
    await expect.poll(() => servedSerial()).toBe(next.certificate.serialNumber);
  });

  it.each([
    { name: "not a certificate", pair: () => ["nonsense", mintServing().keyPem], expected: "contains no certificate" },
    { name: "for another key", pair: () => [mintServing().pem, mintServing().keyPem], expected: "does not match" },
    {
      name: "truncated",
      pair: () => [mintServing().pem, mintServing().keyPem.slice(0, 40)],
      expected: "contains no private key",
    },
    {
      name: "expired",
      pair: () => {
        const { pem, keyPem } = mintServing(new Date(Date.now() - DAY_MS));
        return [pem, keyPem];
      },
      expected: "expired at",
    },
  ])("is kept if the new one is $name, with one log line", async ({ pair, expected }) => {
    const before = await servedSerial();
    const [certificate = "", key = ""] = pair();
    webhook.writePair(certificate, key);
    const complaints = () => webhook.log.find(expected);
    await expect.poll(() => complaints()).toHaveLength(1);
    expect(await servedSerial()).toBe(before);
    const good = mintServing();
    webhook.writePair(good.pem, good.keyPem);
    await expect.poll(() => servedSerial()).toBe(good.certificate.serialNumber);
    expect(complaints()).toHaveLength(1);
  });

  it("must exist and be valid before the server starts", async () => {
    rmSync(join(webhook.directory, "tls.key"));
    await expect(webhook.startAnother()).rejects.toMatchObject({
      code: "invalid_serving_certificate",
      message: expect.stringContaining("tls.key"),
    });
  });
});
