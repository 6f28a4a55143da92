package engine

// Names of the strategies, for [Request.Strategy].
const (
	StrategyMaterial   = "material"    // counts wood, and trades pieces when ahead
	StrategyMobility   = "mobility"    // wants its pieces to reach many squares
	StrategyKingSafety = "king-safety" // shelters its own king above all
	StrategyPositional = "positional"  // puts pieces on good squares and keeps pawns healthy
	StrategyAttack     = "attack"      // aims everything at the enemy king
)

// evaluator judges a quiet position in centipawns, positive when White is
// better. A strategy may care more about one side's assets than the other's;
// us is the color it plays for, and stays the same throughout a search.
type evaluator func(b *board, us int) int

// strategies never changes after initialization.
var strategies = [...]struct {
	name  string
	judge evaluator
}{
	{StrategyMaterial, judgeMaterial},
	{StrategyMobility, judgeMobility},
	{StrategyKingSafety, judgeKingSafety},
	{StrategyPositional, judgePositional},
	{StrategyAttack, judgeAttack},
}

// Strategies returns the names of all strategies in a fixed order. The caller
// owns the slice.
func Strategies() []string {
	names := make([]string, len(strategies))
	for i, s := range strategies {
		names[i] = s.name
	}
	return names
}

// judgeMaterial counts material. Being ahead is worth more the fewer pieces are
// left, which makes it trade when winning and avoid trades when losing.
func judgeMaterial(b *board, _ int) int {
	lead := material(b)
	return lead + lead*(fullPhase-b.phase())/100 + 2*pawnSteps(b)
}

// judgeMobility adds the squares each side's pieces reach.
func judgeMobility(b *board, _ int) int {
	return material(b) + mobility(b) + pawnSteps(b)
}

// judgeKingSafety weighs the dangers to its own king three times as much as
// those to the enemy's.
func judgeKingSafety(b *board, us int) int {
	own := shelter(b, us) - pressure(b, -us)
	their := shelter(b, -us) - pressure(b, us)
	return material(b) + us*(3*own-their)/2 + mobility(b)/4 + pawnSteps(b)
}

// judgePositional uses piece-square tables and pawn structure.
func judgePositional(b *board, _ int) int {
	return material(b) + placement(b) + structure(b)
}

// judgeAttack weighs its own attack on the enemy king three times as much as
// the enemy's attack on its own.
func judgeAttack(b *board, us int) int {
	own := pressure(b, us) + closeness(b, us) - shelter(b, -us)/2
	their := pressure(b, -us) + closeness(b, -us)
	return material(b) + us*(3*own-their)/2 + mobility(b)/4 + pawnSteps(b)
}

// judgeAll is the referee's evaluation: everything the strategies consider, in
// equal measure for both sides.
func judgeAll(b *board, _ int) int {
	kings := shelter(b, white) - shelter(b, black) + pressure(b, white) - pressure(b, black)
	return material(b) + placement(b) + structure(b) + (mobility(b)+kings)/2
}
