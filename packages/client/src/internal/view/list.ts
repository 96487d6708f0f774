/**
 * An immutable list that is cheap to grow: adding and replacing copy about 32 elements for each of the few levels of a
 * tree, however long the list is, and share the rest with the list before.
 */

const bits = 5
const width = 1 << bits
const mask = width - 1

type Node<A> = ReadonlyArray<A> | ReadonlyArray<Node<A>>

export class List<out A> implements Iterable<A> {
  /** How many elements there are. */
  readonly length: number
  /** The level of the root, in bits of the index. */
  private readonly shift: number
  private readonly root: Node<A>

  private constructor(length: number, shift: number, root: Node<A>) {
    this.length = length
    this.shift = shift
    this.root = root
  }

  static readonly empty: List<never> = new List<never>(0, 0, [])

  static from<A>(elements: Iterable<A>): List<A> {
    // Builds level by level, in time proportional to the number of elements.
    const all = [...elements]
    let level: ReadonlyArray<Node<A>> = chunks(all)
    let shift = 0
    while (level.length > 1) {
      level = chunks(level)
      shift += bits
    }
    return new List(all.length, shift, level[0] ?? [])
  }

  /** The element at an index; a negative index counts from the end. Undefined outside of the list. */
  at(index: number): A | undefined {
    const place = index < 0 ? this.length + index : index
    if (!Number.isInteger(place) || place < 0 || place >= this.length) return undefined
    let node = this.root as ReadonlyArray<unknown>
    for (let shift = this.shift; shift > 0; shift -= bits) {
      node = node[(place >>> shift) & mask] as ReadonlyArray<unknown>
    }
    return node[place & mask] as A
  }

  append<B>(element: B): List<A | B> {
    const { length, root, shift } = this
    // A full tree becomes the first child of a new root.
    return length === width << shift
      ? new List<A | B>(length + 1, shift + bits, [root, branch<A | B>(shift, element)])
      : new List<A | B>(length + 1, shift, put<A | B>(root, shift, length, element))
  }

  /** Replaces an element. The list itself if there is none at the index, or it is the same. */
  set<B>(index: number, element: B): List<A | B> {
    if (index < 0 || index >= this.length || Object.is(this.at(index), element)) return this
    return new List<A | B>(this.length, this.shift, put<A | B>(this.root, this.shift, index, element))
  }

  *[Symbol.iterator](): Iterator<A> {
    yield* leaves(this.root, this.shift)
  }

  toArray(): ReadonlyArray<A> {
    return [...this]
  }

  /** As an array, so that a view can be sent as JSON. */
  toJSON(): ReadonlyArray<A> {
    return this.toArray()
  }
}

const chunks = <A>(all: ReadonlyArray<A>): Array<ReadonlyArray<A>> => {
  const parts: Array<ReadonlyArray<A>> = []
  for (let i = 0; i < all.length; i += width) parts.push(all.slice(i, i + width))
  return parts
}

/** A node of this level with one element. */
const branch = <A>(shift: number, element: A): Node<A> => shift === 0 ? [element] : [branch(shift - bits, element)]

const put = <A>(node: Node<A>, shift: number, index: number, element: A): Node<A> => {
  const place = (index >>> shift) & mask
  const copy = node.slice() as Array<unknown>
  const child = copy[place] as Node<A> | undefined
  copy[place] = shift === 0
    ? element
    : child === undefined
    ? branch(shift - bits, element)
    : put(child, shift - bits, index, element)
  return copy as Node<A>
}

function* leaves<A>(node: Node<A>, shift: number): Iterable<A> {
  if (shift === 0) yield* node as ReadonlyArray<A>
  else for (const child of node as ReadonlyArray<Node<A>>) yield* leaves(child, shift - bits)
}
