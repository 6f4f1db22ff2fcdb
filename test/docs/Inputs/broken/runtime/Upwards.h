#include "compiler/Emit/PlanFile.h"
