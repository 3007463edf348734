/** `npm run test:long`: what npm test does a few times is done a thousand times, and what takes hours is done at all. */
import process from 'node:process';

export const isLong = process.env.HAWSER_LONG === '1';
