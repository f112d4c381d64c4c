// Lets a page call the functions of its worker, each call over a channel of its own.

type Commands = Readonly<Record<string, (...given: never[]) => unknown>>;
type Answer = { readonly result: unknown } | { readonly error: string };

/** Calls a function that a worker offers. */
export function ask<C extends Commands, Name extends string & keyof C>(
  target: Worker | ServiceWorker,
  command: Name,
  ...given: Parameters<C[Name]>
): Promise<Awaited<ReturnType<C[Name]>>> {
  const { port1, port2 } = new MessageChannel();
  target.postMessage([command, ...given], [port2]);
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ("error" in data) reject(new Error(data.error));
      // `offer`, below, answers with what the command of this name returned.
      else resolve(data.result as Awaited<ReturnType<C[Name]>>);
    };
  });
}

/** Offers functions of this worker to its page. */
export function offer(commands: Commands): void {
  const answer = async (command: string, given: readonly unknown[]): Promise<Answer> => {
    try {
      // `ask`, above, gives what the command of this name takes.
      return { result: await commands[command]?.(...(given as never[])) };
    } catch (error) {
      return { error: String(error) };
    }
  };
  addEventListener("message", ({ data, ports: [port] }: MessageEvent<[string, ...unknown[]]>) => {
    const [command, ...given] = data;
    void answer(command, given).then((message) => port?.postMessage(message));
  });
}
