// Waiting with an end.

/** Resolves with the arguments of the next `event`; rejects if it does not come in time. */
export function once(emitter, event, { within = 5000 } = {}) {
  return new Promise((resolve, reject) => {
    const heard = (...args) => {
      clearTimeout(late);
      resolve(args);
    };
    const late = setTimeout(() => {
      emitter.off(event, heard);
      reject(new Error(`no "${event}" within ${within} ms`));
    }, within);
    emitter.once(event, heard);
  });
}

/** Resolves when `check` returns something true, with that. */
export async function until(check, { within = 5000, what = "the condition" } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not come true within ${within} ms`);
    await pause(20);
  }
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Rejects if `promise` is not settled in time. */
export function within(ms, promise, what = "it") {
  let late;
  const limit = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(late));
}
