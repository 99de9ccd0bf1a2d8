import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { InjectorError } from "../injector-error.ts";
import { type ChangingValue, startPolledValue } from "../polled-value.ts";

/** A certificate chain and its key, in PEM. They match and have not expired. */
export interface ServingPair {
  readonly cert: string;
  readonly key: string;
}

export interface ServingCertificateOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the files are read. @default 2000 */
  readonly intervalMs?: number;
}

/** The certificate of the webhook's server. */
export type ServingCertificate = ChangingValue<ServingPair>;

/**
 * Reloads the webhook's certificate when its files change: a webhook with an expired certificate blocks every new pod
 * (linkerd2#5888). A read may see the new certificate with the old key. An invalid pair is reported once, and the old
 * pair stays in use.
 * @throws InjectorError `invalid_serving_certificate`, if the first pair is invalid
 */
export async function startServingCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { clock, log, certificateFile: file } = options;
  return await startPolledValue({
    read: () => readPair(options),
    intervalMs: options.intervalMs ?? 2000,
    clock,
    onChange: () => log.info({ file }, "the serving certificate was reloaded"),
    onFault: ({ code, message }) => log.error({ code, file }, `the old certificate stays in use: ${message}`),
  });
}

async function readPair({ certificateFile, keyFile, clock }: ServingCertificateOptions): Promise<ServingPair> {
  const fault = (message: string, cause?: unknown) =>
    new InjectorError("invalid_serving_certificate", message, { details: { certificateFile, keyFile }, cause });
  const [cert, key] = await Promise.all(
    [certificateFile, keyFile].map((file) =>
      readFile(file, "utf8").catch((caught: unknown) => {
        throw fault(`${file} cannot be read`, caught);
      }),
    ),
  );
  if (cert === undefined || key === undefined) throw fault("the files are empty");
  const leaf = parse(() => new X509Certificate(cert), `${certificateFile} contains no certificate in PEM`);
  const privateKey = parse(() => createPrivateKey(key), `${keyFile} contains no private key in PEM`);
  if (!leaf.checkPrivateKey(privateKey)) throw fault(`the key in ${keyFile} does not match ${certificateFile}`);
  if (leaf.validToDate.getTime() <= clock.now()) throw fault(`${certificateFile} expired at ${leaf.validTo}`);
  return { cert, key };

  function parse<Value>(read: () => Value, message: string): Value {
    try {
      return read();
    } catch (caught) {
      throw fault(message, caught);
    }
  }
}
