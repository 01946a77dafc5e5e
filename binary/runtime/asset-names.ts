/** What lies in the executable beside the script of the main thread and the addons. */

/** The script of the worker threads. */
export const WORKER_ASSET = 'worker.js';
/** Which addons there are, and their hashes (addon-directory.ts), as JSON. */
export const ADDONS_ASSET = 'addons.json';
