import type { Socket } from "node:net";

/**
 * Waits until the server (the application, or an upstream) or the client sends something. The server's bytes stay in
 * its socket's buffer. If the server is first, sniffing the client ends, with the client's bytes put back.
 * @param sniff begins to sniff the client; it ends when the signal aborts.
 */
export async function awaitFirstSpeaker<Sniffed>(
  application: Socket,
  sniff: (signal: AbortSignal) => Promise<Sniffed>,
): Promise<"application" | Sniffed> {
  const sniffing = new AbortController();
  const client = sniff(sniffing.signal);
  let stopListening: () => void = () => undefined;
  const greeting = new Promise<"application">((resolve) => {
    const onSpoke = (): void => resolve("application");
    // There is no new event for bytes that arrived before.
    if (application.readableLength > 0 || application.readableEnded || application.destroyed) onSpoke();
    for (const event of SPEAKING) application.on(event, onSpoke);
    stopListening = () => {
      for (const event of SPEAKING) application.off(event, onSpoke);
    };
  });
  const first = await Promise.race([greeting, client]);
  stopListening();
  if (first === "application") {
    sniffing.abort();
    await client;
  }
  return first;
}

/** An application that closes without sending counts as having spoken. */
const SPEAKING = ["readable", "end", "close"] as const;
