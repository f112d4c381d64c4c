/**
 * The `timeout` of a request that is to wait for its answer as long as it takes, in milliseconds: the SDKs give a
 * request up after 60 s unless told otherwise, outages included. It is the longest that a timer can wait, 24.8 days;
 * `Infinity` would fire at once (HTML, timers; Node likewise). How long a call may be without any connection is the
 * transport's own option `maxElapsedMs`.
 */
export const NO_TIMEOUT = 2 ** 31 - 1;
