/** Text frames of the Group Protocol Stack, against the published package and its bare cipher. */
import { interleave } from '../lib/rounds.mjs'
import { row } from '../lib/rows.mjs'

const LENGTHS = [32, 160, 1_024, 16_384]
const BOUNDS = { must: 5, aim: 20 }

const PUBLISHED = 'gbp-stack 1.9.1, from Python'
const BARE = 'the bare AEAD in a loop, from Rust'

/**
 * Ours, by what it is called. P14 is about frames that are sealed and opened, where both sides do the same work. The published
 * package has no batches, and what a node does beyond a frame is none of its work: those rows have no bound.
 */
const FORMS = [
  { form: 'compat', what: "by the published package's calls", gated: true },
  { form: 'interop', what: 'by a node of the same profile' },
  { form: 'interop', suffix: 'Batch', what: 'by a node of the same profile, 50 under way' },
  { form: 'interop', suffix: 'All', what: 'by a node of the same profile, 50 a call' },
  { form: 'sealed', what: 'by a node, authenticated' },
  { form: 'sealed', suffix: 'Batch', what: 'by a node, authenticated, 50 under way' },
  { form: 'sealed', suffix: 'All', what: 'by a node, authenticated, 50 a call' },
]

const OPERATIONS = [
  { what: 'seal and open', operations: ['seal', 'open'], isWhole: true },
  { what: 'seal', operations: ['seal'] },
  { what: 'open', operations: ['open'] },
]

export const suite = {
  name: 'text-frames',
  title: 'Text frames of the Group Protocol Stack',
  goals: ['P14'],

  async run({ commands, rounds, quick }) {
    const rows = []
    for (const length of quick ? LENGTHS.slice(0, 2) : LENGTHS) {
      const options = { length, messages: 1_000, batches: quick ? 2 : 6 }
      const measured = await interleave(
        {
          ours: commands.textFrames(options),
          published: commands.gbpStack(options),
          bare: commands.bareLoop({ ...options, messages: 20_000, chacha: true }),
        },
        rounds,
      )
      for (const operation of OPERATIONS) {
        rows.push(...FORMS.map((form) => againstPublished(form, operation, length, measured)))
        rows.push(againstBare(operation, length, measured))
      }
    }
    return rows
  },
}

const oursOf = ({ form, suffix = '' }, operations) =>
  operations.map((operation) => `${form}${operation.charAt(0).toUpperCase()}${operation.slice(1)}${suffix}`)

function againstPublished(form, { what, operations, isWhole }, length, measured) {
  const isBound = form.gated && isWhole
  return row({
    goal: isBound ? 'P14' : undefined,
    suite: suite.name,
    what: `${what} ${form.what}, ${length} B`,
    ours: measured.sum('ours', oursOf(form, operations)),
    peer: measured.sum('published', operations),
    peerName: PUBLISHED,
    unit: 'µs',
    measure: 'times as fast',
    ...(isBound ? BOUNDS : {}),
  })
}

function againstBare({ what, operations }, length, measured) {
  return row({
    suite: suite.name,
    what: `${what} by the published package's calls, ${length} B`,
    ours: measured.sum('ours', oursOf({ form: 'compat' }, operations)),
    peer: measured.sum('bare', operations),
    peerName: BARE,
    unit: 'µs',
    measure: 'times as fast',
  })
}
