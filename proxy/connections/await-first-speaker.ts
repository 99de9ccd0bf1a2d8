import type { Socket } from "node:net";

/**
 * Waits until the server (the application, or an upstream) or the client says something. The server's bytes stay in
 * its socket's buffer, and when it was first the sniffing of the client is ended, with its bytes put back.
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
    // What came while another waited is not announced again.
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

/** An application that closes without a word has had its say, too. */
const SPEAKING = ["readable", "end", "close"] as const;
