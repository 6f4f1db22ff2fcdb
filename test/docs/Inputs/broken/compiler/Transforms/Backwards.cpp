#include "compiler/Import/Checkpoint.h"
